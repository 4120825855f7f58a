"""``convert MODEL``: what is printed of a file, without TensorFlow and without running anything."""

import json
import subprocess
import sys

import pytest

from converter.command.cli import main

FORMULAS = {
    "mnist_pss.keras": ["sigmoid(3 x)"],
    "mnist_ss.keras": ["x / (1 + |x|)"],
    "mnist_ss_numpy.keras": ["x / (1 + |x|)"],
    "mnist_rational_ss.keras": ["1.5 x / (1 + 0.8 |x|)"],
    "mnist_legacy.h5": ["sigmoid(3 x)"],
    "digits_cnn.keras": ["sigmoid(2 x)", "x / (1 + |x|)", "1.5 x / (1 + 0.8 |x|)"],
}


def describe(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("model", FORMULAS)
def test_every_example_is_described_with_its_formulas(models, capsys, model):
    code, result = describe(capsys, models / model)
    assert code == 0
    found = result["models"][0]["activations"]
    assert [each["formula"] for each in found] == FORMULAS[model]
    assert all("assumed from the" in each["known_by"] for each in found)


def test_description_says_what_will_be_rewritten_and_what_not(models, capsys):
    stated = ["--activation", "pss_layer=rational_ss:a=-2,b=1"]
    _, result = describe(capsys, models / "digits_cnn.keras", *stated)
    rewrites = {each["layer"]: each for each in result["models"][0]["rewrites"]}
    assert rewrites["rational_ss_layer_scale"]["what"] == "scale 0.8 folded into 'dense'"
    assert rewrites["rational_ss_layer_gain"]["what"] == "scale 1.875 folded into 'digit', 'parity'"
    assert not rewrites["pss_layer_gain"]["done"]
    assert "the scale is negative" in rewrites["pss_layer_gain"]["what"]


def test_stated_activation_replaces_the_assumption(models, capsys):
    _, result = describe(capsys, models / "mnist_ss.keras", "--activation", "lambda=rational_ss:a=2,b=0.5")
    assert result["models"][0]["activations"] == [
        {
            "layer": "lambda",
            "activation": "rational_ss",
            "parameters": {"a": 2.0, "b": 0.5},
            "formula": "2 x / (1 + 0.5 |x|)",
            "known_by": "stated by --activation",
            "basis": "stated",
        }
    ]


def test_inline_lambda_is_read_from_its_code(with_lambda, capsys):
    _, result = describe(capsys, with_lambda("lambda x: 1.5 * x / (1 + 0.8 * tf.abs(x))"))
    found = result["models"][0]["activations"][0]
    assert (found["formula"], found["known_by"]) == ("1.5 x / (1 + 0.8 |x|)", "formula read from the lambda")


def test_batch_size_that_training_froze_into_the_file_is_free_again(edited, capsys):
    def freeze(config):
        config["config"]["layers"][0]["config"]["batch_shape"] = [32, 784]

    _, result = describe(capsys, edited("mnist_ss_numpy.keras", freeze))
    assert result["models"][0]["inputs"] == [
        {"name": "input_layer", "shape": [None, 784], "dtype": "float32"}
    ]


def test_sequential_without_input_layer_gets_its_shape_from_its_weights(edited, capsys):
    def unbuild(config):
        config["config"].pop("build_input_shape", None)
        config["build_config"] = None
        del config["config"]["layers"][0]
        for entry in config["config"]["layers"]:
            entry.pop("build_config", None)

    _, result = describe(capsys, edited("mnist_ss_numpy.keras", unbuild))
    assert result["models"][0]["inputs"] == [{"name": "input", "shape": [None, 784], "dtype": "float32"}]


def test_text_for_people_names_layer_formula_and_reason(models, capsys):
    assert main([str(models / "mnist_pss.keras")]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert all(line == line.rstrip() for line in printed.out.splitlines())
    line = next(line for line in printed.out.splitlines() if "pss_layer " in line)
    assert line.split() == [
        *("activation", "pss_layer", "sigmoid(3", "x)"),
        *("(formula", "assumed", "from", "the", "class", "name", "'PSSLayer')"),
    ]


@pytest.mark.parametrize("place", ["--output", "--repository"])
def test_a_place_without_a_format_is_a_usage_error_and_is_not_made(models, tmp_path, capsys, place):
    assert main([str(models / "mnist_ss.keras"), place, str(tmp_path / "there")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("convert: --output and --repository go with --to\nSay what to write: ")
    assert not (tmp_path / "there").exists()


def test_help_is_no_wider_than_a_terminal(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_neither_numpy_nor_a_framework(arguments):
    assert heavy_imports(arguments) == set()


def test_description_imports_no_framework(models):
    assert heavy_imports([str(models / "digits_cnn.keras")]) & {"tensorflow", "keras", "onnx"} == set()


def heavy_imports(arguments):
    """Which of the heavy modules a run of the command imports."""
    script = (
        "import sys, contextlib, io\n"
        "from converter.command.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({arguments!r})\n"
        "print(*({'tensorflow', 'keras', 'onnx', 'numpy', 'h5py'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_layer_named_like_markup_is_printed_as_it_is(edited, layer_of, capsys):
    def rename(config):
        layer_of(config, "pss_layer")["config"]["name"] = "[/bold]"

    assert main([str(edited("mnist_pss.keras", rename, "[red]x.keras"))]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("[red]x.keras  ")
    assert " activation  [/bold] " in printed


def test_a_function_that_keras_has_is_told_as_taken_for_it(edited, layer_of, capsys):
    def swish(config):
        layer_of(config, "dense")["config"]["activation"] = "swish"

    file = edited("mnist_pss.keras", swish)
    _, result = describe(capsys, file)
    assert {"layer": "dense", "argument": "activation", "name": "swish"} in result["models"][0][
        "taken_as_keras"
    ]
    assert main([str(file)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["built-in", "dense", "swish,", "taken", "as", "Keras's", "own"] in lines
