"""What is refused: the exit code, and a text that says what, where and what to do. Nothing is ever left behind."""

import pytest

from converter.command.cli import main


def refusal(capsys, *arguments):
    """Exit code and stderr of a run that must print nothing else and leave no file."""
    code = main([*map(str, arguments)])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) <= 2
    return code, printed.err


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "output"
    yield folder
    assert not folder.exists(), "a refused run left its output folder behind"


def test_file_that_is_no_model(tmp_path, output, capsys):
    file = tmp_path / "notes.keras"
    file.write_text("not a model")
    code, text = refusal(capsys, file, "--to", "onnx", "--output", output)
    assert code == 3
    assert "notes.keras: is neither a .keras archive nor an HDF5 file" in text
    assert "model.save('model.keras')" in text


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
@pytest.mark.parametrize("model", ["mnist_pss.keras", "mnist_legacy.h5"])
def test_truncated_file(models, tmp_path, output, capsys, model, share):
    whole = (models / model).read_bytes()
    file = tmp_path / model
    file.write_bytes(whole[: int(len(whole) * share)])
    code, text = refusal(capsys, file, "--to", "onnx", "--output", output)
    assert code == 3
    assert model in text


def test_byte_changed_in_the_weights(models, tmp_path, output, capsys):
    data = bytearray((models / "mnist_pss.keras").read_bytes())
    data[300_000] ^= 1
    file = tmp_path / "changed.keras"
    file.write_bytes(data)
    code, text = refusal(capsys, file, "--to", "onnx", "--output", output)
    assert code == 3
    assert "is damaged (its checksum does not match)" in text


def test_missing_file(tmp_path, output, capsys):
    code, text = refusal(capsys, tmp_path / "none.keras", "--to", "onnx", "--output", output)
    assert code == 2
    assert "none.keras: cannot be read: No such file or directory" in text


def test_unknown_custom_layer_is_named_with_what_to_type(edited, layer_of, output, capsys):
    def rename(config):
        layer_of(config, "pss_layer").update(class_name="MyOwn", registered_name="Mine>MyOwn")

    code, text = refusal(capsys, edited("mnist_pss.keras", rename), "--to", "onnx", "--output", output)
    assert code == 4
    assert "layer 'pss_layer': is of class 'MyOwn', which is not known" in text
    assert "--activation pss_layer=pss:alpha=3" in text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lambda x: my_function(x)", "my_function(x)"),
        ("lambda x: 2 * smooth_sigmoid(x)", "2"),
        ("lambda x: x / (1 - tf.abs(x) * 0.01)", "divides by zero at |x| = 100"),
        ("lambda x, k=2: x / (1 + tf.abs(x))", ""),
        (
            "lambda x: x - tf.reduce_mean(x)",
            "'tf.reduce_mean' is not known to work on each element by itself",
        ),
    ],
)
def test_lambda_that_computes_something_else(with_lambda, output, capsys, source, words):
    code, text = refusal(capsys, with_lambda(source), "--to", "onnx", "--output", output)
    assert code == 4
    assert "layer 'lambda'" in text
    assert words in text


def test_lambda_that_would_write_a_file_writes_none(with_lambda, tmp_path, output, capsys):
    canary = tmp_path / "canary"
    file = with_lambda(f"lambda x: open({str(canary)!r}, 'w').write('ran') or x")
    code, text = refusal(capsys, file, "--to", "onnx", "--output", output)
    assert code == 4
    assert "layer 'lambda': the lambda cannot be read" in text
    assert not canary.exists()


def test_negative_b_is_refused_with_its_pole(edited, layer_of, output, capsys):
    def negate(config):
        layer_of(config, "rational_ss_layer")["config"]["b"] = -0.25

    code, text = refusal(
        capsys, edited("mnist_rational_ss.keras", negate), "--to", "onnx", "--output", output
    )
    assert code == 4
    assert "layer 'rational_ss_layer': RationalSS with b = -0.25 divides by zero at |x| = 4" in text


@pytest.mark.parametrize("value", ["3; import os", float("nan"), float("inf"), [1.0], True, None, 10**400])
def test_parameter_that_is_no_finite_number(edited, layer_of, output, capsys, value):
    def spoil(config):
        layer_of(config, "pss_layer")["config"]["alpha"] = value

    code, text = refusal(capsys, edited("mnist_pss.keras", spoil), "--to", "onnx", "--output", output)
    assert code == 3
    assert "parameter 'alpha' must be a" in text or "is not JSON" in text


def test_class_of_a_known_name_with_other_settings(edited, layer_of, output, capsys):
    def extend(config):
        layer_of(config, "pss_layer")["config"]["beta"] = 1.0

    code, text = refusal(capsys, edited("mnist_pss.keras", extend), "--to", "onnx", "--output", output)
    assert code == 4
    assert "class 'PSSLayer' stores alpha=3, beta=1; a class of this name" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--activation", "nowhere=ss"], "names the layer 'nowhere'"),
        (["--activation", "pss_layer=tanh"], "'tanh' is none of pss, ss, rational_ss"),
        (["--activation", "pss_layer=pss:beta=1"], "pss takes alpha"),
        (["--activation", "pss_layer=pss:alpha=nan"], "needs a finite number"),
        (["--input-shape", "7,x"], "is not a list of sizes"),
        (["--input-shape", "785"], "but the model says (784)"),
        (["--batch", "0"], "--batch needs a positive number"),
        (["--opset", "19"], "opset 19"),
        (["--expected", "y.npz"], "--expected needs --samples"),
        (["--name", "x"], "--name goes with --repository"),
        (["--samples", "none.npz"], "none.npz"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_is_wrong(models, output, capsys, arguments, words):
    code, text = refusal(capsys, models / "mnist_pss.keras", "--to", "onnx", "--output", output, *arguments)
    assert code == 2
    assert words in text


def test_two_sources_of_one_stem_in_one_folder(models, tmp_path, output, capsys):
    other = tmp_path / "mnist_pss.h5"
    other.write_bytes((models / "mnist_legacy.h5").read_bytes())
    arguments = (models / "mnist_pss.keras", other, "--to", "onnx", "--output", output)
    code, text = refusal(capsys, *arguments)
    assert code == 2
    assert "would both become 'mnist_pss.*' in one folder" in text
