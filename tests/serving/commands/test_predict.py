import json
import sys

import numpy as np
import pytest
from free_ports import free_port
from PIL import Image


@pytest.fixture
def ask(run, capsys, tmp_path):
    """Call `plainserve predict` with a file made from content; returns exit code, stdout, stderr."""

    def call(model, name, content, *arguments, **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content)
        elif isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, Image.Image):
            content.save(path)
        elif content is not None:
            np.save(path, content)
        code = run("predict", model, "--input", path, *arguments, **options)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def outputs(result):
    code, out, err = result
    assert (code, err) == (0, "")
    return {name: output["data"] for name, output in json.loads(out)["outputs"].items()}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy", np.array([[1, 2, 3], [4, 5, 6]], np.float32)),
        ("x.npy", np.array([[1, 2, 3], [4, 5, 6]], np.float64)),
        ("x.npy", np.array([[1, 2, 3], [4, 5, 6]])),
        ("x.npz", {"x": np.array([[1, 2, 3], [4, 5, 6]], np.float32)}),
        ("x.npz", {"arr_0": np.array([[1, 2, 3], [4, 5, 6]], np.uint8)}),
        ("x.json", "[[1, 2, 3.0], [4, 5, 6]]"),
        ("x.json", '{"x": [[1, 2, 3], [4, 5, 6]]}'),
        ("x.csv", "1,2,3\n4,5.0,6\n"),
        ("x.csv", "left,middle,right\r\n1, 2, 3\r\n4, 5, 6e0\r\n\r\n"),
        ("X.CSV", "\ufeff1,2,3\n4,5,6"),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(ask, name, content):
    assert outputs(ask("rows", name, content, "--json")) == {"x": [[1, 2, 3], [4, 5, 6]]}


def test_one_sample_becomes_a_batch_of_one(ask):
    assert outputs(ask("rows", "x.npy", np.ones(3), "--json")) == {"x": [[1, 1, 1]]}
    assert outputs(ask("rows", "x.json", "[1, 2, 3]", "--json")) == {"x": [[1, 2, 3]]}


def test_more_rows_than_one_request_holds_come_back_whole_and_in_order(ask):
    rows = np.arange(300, dtype=np.float32).reshape(100, 3)
    assert outputs(ask("rows", "x.npy", rows, "--json")) == {"x": rows.tolist()}


def test_arrays_beside_the_inputs_are_left_alone(ask):
    content = {"label": np.arange(2), "x": np.ones((2, 3), np.float32)}
    assert outputs(ask("rows", "x.npz", content, "--json")) == {"x": [[1, 1, 1], [1, 1, 1]]}


def test_several_inputs_come_by_name_and_some_outputs_can_be_asked_for(ask):
    arrays = {"a": np.array([0.5, 1]), "b": np.array([7, 8])}
    assert outputs(ask("two", "x.npz", arrays, "--json")) == {"a": [0.5, 1.0], "b": [7, 8]}
    assert outputs(ask("two", "x.npz", arrays, "--json", "--output", "b")) == {"b": [7, 8]}


def test_csv_rows_are_given_the_models_shape(ask):
    rows = ",".join(map(str, range(12)))
    data = outputs(ask("colour", "x.csv", f"{rows}\n{rows}", "--json"))["x"]
    assert np.array_equal(data, [np.arange(12).reshape(2, 2, 3)] * 2)


def test_strings_come_from_json_and_csv(ask):
    assert outputs(ask("text", "x.json", '[["é", ""]]', "--json")) == {"s": [["é", ""]]}
    assert outputs(ask("text", "x.csv", "1,b\n", "--json")) == {"s": [["1", "b"]]}


def test_json_names_model_version_shape_and_type(ask):
    _, out, _ = ask("rows", "x.json", "[1, 2, 3]", "--json", "--version", "4")
    assert json.loads(out) == {
        "model": "rows",
        "version": "4",
        "outputs": {"x": {"dtype": "float32", "shape": [1, 3], "data": [[1, 2, 3]]}},
    }


def test_json_is_valid_where_numbers_are_not_finite(ask):
    _, out, _ = ask("rows", "x.npy", np.array([np.nan, np.inf, -np.inf]), "--json")
    data = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert data["outputs"]["x"]["data"] == [["NaN", "Infinity", "-Infinity"]]


def test_a_pipe_gets_one_plain_line_a_row(ask):
    code, out, err = ask("two", "x.npz", {"a": np.array([0.1, 2.5]), "b": np.array([7, 8])})
    assert (code, out, err) == (0, "a\tb\n0.1\t7\n2.5\t8\n", "")
    assert ask("text", "x.json", '[["tab\\t", "é"]]')[1] == 's\n"tab\\t" "é"\n'


def test_a_terminal_gets_a_table_that_says_where_the_largest_stands(ask, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = ask("rows", "x.csv", "".join(f"{i},99,0\n" for i in range(30)))
    assert code == 0
    for part in (
        "rows, version 1",
        "float32",
        "[30, 3]",
        "largest at",
        "rows: 30",
    ):
        assert part in out
    lines = [line.split() for line in out.splitlines() if "99." in line]
    assert len(lines) == 20
    assert all("1" in line for line in lines)


def test_a_grey_image_becomes_a_flat_row_between_0_and_1(ask):
    pixels = np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)
    data = outputs(ask("digits", "x.png", Image.fromarray(pixels), "--json"))["x"]
    np.testing.assert_allclose(data, [pixels.ravel() / 255], atol=1e-6)


def test_an_image_of_another_size_and_mode_is_fitted_and_that_is_told(ask):
    image = Image.new("RGBA", (5, 7), (10, 20, 30, 255))
    code, out, err = ask("colour", "x.png", image, "--json")
    data = np.array(json.loads(out)["outputs"]["x"]["data"])
    assert (code, data.shape) == (0, (1, 2, 5, 3))
    assert (data == [10, 20, 30]).all()
    assert err.endswith("x.png: the image was resized from 5 x 7 to 5 x 2 pixels\n")
    code, out, err = ask("digits", "x.png", image, "--json")
    assert np.shape(json.loads(out)["outputs"]["x"]["data"]) == (1, 16)
    assert err.endswith("x.png: the image was resized from 5 x 7 to 4 x 4 pixels and turned grey\n")


@pytest.mark.parametrize(
    ("model", "name", "content", "text"),
    [
        ("rows", "x.npy", None, "there is no such file"),
        ("rows", "x.txt", "1", "unknown kind of file; those there are: .npy"),
        ("rows", "x.npy", b"no", "x.npy: is not an .npy file"),
        ("rows", "x.npz", b"PK\x03\x04 broken", "x.npz:"),
        ("rows", "x.npy", np.array([{}], object), "x.npy:"),
        ("rows", "x.json", "{", "x.json: is not JSON: "),
        ("rows", "x.json", "[[1, 2], [3]]", "not the rows of an array"),
        ("rows", "x.json", '["a"]', "something that is no number"),
        ("rows", "x.csv", "", "holds no rows"),
        ("rows", "x.csv", "a,b,c\n", "holds no rows"),
        ("rows", "x.csv", "1,2,3\n4,5\n", "rows of different lengths"),
        ("rows", "x.csv", "1,2,3\n4,x,5\n", "holds 'x' where a number belongs"),
        ("rows", "x.csv", "1,2\n", "cannot reshape"),
        ("rows", "x.npy", np.array([1e300, 0, 0]), "1e+300 does not fit in FP32"),
        ("whole", "x.csv", "1,2.5\n", "is INT32; a fraction came"),
        ("whole", "x.npy", np.array([[2**40, 0]]), "does not fit in INT32"),
        ("two", "x.npy", np.ones(2), "the model has the inputs a, b; use .npz or .json"),
        ("two", "x.npz", {"a": np.ones(2), "c": np.ones(2)}, "holds a, c, and the model has the inputs a, b"),
        ("two", "x.png", Image.new("L", (4, 4)), "the model has several inputs"),
        ("rows", "x.png", Image.new("L", (4, 4)), "input 'x' of shape [-1, 3] takes none"),
        ("digits", "x.png", b"no image", "x.png:"),
    ],
)
def test_an_input_that_does_not_fit_is_a_usage_error_of_one_line(ask, model, name, content, text):
    code, out, err = ask(model, name, content)
    assert (code, out) == (2, "")
    assert err.startswith("plainserve predict: ")
    assert text in err
    assert err.count("\n") == 1


def test_what_the_server_finds_wrong_with_the_input_is_a_usage_error_too(ask):
    code, out, err = ask("rows", "x.json", "[1, 2, 3]", "--output", "no")
    assert (code, out) == (2, "")
    assert "INVALID_ARGUMENT: there is no output 'no'" in err


def test_a_model_that_is_not_there_is_the_servers_no(ask, address):
    code, _, err = ask("nothing", "x.json", "[1]")
    assert (code, err) == (1, f"plainserve predict: {address}: NOT_FOUND: there is no model 'nothing'\n")


def test_a_server_that_is_not_there_is_one_line(ask):
    free = f"127.0.0.1:{free_port()}"
    code, _, err = ask("rows", "x.json", "[1, 2, 3]", server=free)
    assert code == 1
    assert "UNAVAILABLE" in err
    assert err.count("\n") == 1


def test_an_image_without_pillow_says_what_to_install(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, err = ask("digits", "x.png", b"never read")
    assert code == 6
    assert "reading .png files needs Pillow; pip install pillow" in err


@pytest.mark.parametrize("arguments", [["predict"], ["predict", "rows"], ["predict", "rows", "--input"]])
def test_an_incomplete_command_line_is_a_usage_error(run, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err
