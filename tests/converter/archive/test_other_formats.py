"""What people give that is no Keras model: each is called by its name, and the text says what to do."""

import os
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from converter.archive import open_archive
from converter.description import InputShapes, describe
from converter.errors import ConversionError, UnsafeFileError


def refusal(path):
    with pytest.raises(ConversionError) as refused, open_archive(path):
        pass
    assert len(str(refused.value).splitlines()) <= 2
    return refused.value


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("model.keras", b"", "is empty"),
        ("model.h5", b"", "is empty"),
        ("model.tflite", b"\x1c\0\0\0TFL3\x14\0", "is a TFLite model"),
        ("renamed.keras", b"\x1c\0\0\0TFL3\x14\0", "is a TFLite model"),
        ("model.onnx", b"\x08\x08\x12\x04test", "is an ONNX model"),
        ("frozen.pb", b"\x0a\x10\x0a\x01x", "is a TensorFlow graph"),
        ("model.ckpt.index", b"\0\0\1\2", "is a TensorFlow checkpoint"),
        ("model.ckpt.data-00000-of-00001", b"\0\0\1\2", "is a TensorFlow checkpoint"),
        ("checkpoint", b'model_checkpoint_path: "model.ckpt"\n', "is a TensorFlow checkpoint"),
        ("model.pt", b"\x80\x02\x8a\x0a", "is a PyTorch file"),
        ("model.pkl", b"\x80\x04\x95", "is a pickle, which runs code when opened"),
        ("weights.npy", b"\x93NUMPY\x01\0", "is a file of numpy arrays"),
        ("model.safetensors", b"\x10\0\0\0\0\0\0\0{}", "is a file of arrays (safetensors)"),
        ("model.keras", b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        ("model.h5", b"<!DOCTYPE html><html>", "is a web page"),
        ("model.h5", b"\x1f\x8b\x08\0", "is packed with gzip"),
        ("model.yaml", b"backend: tensorflow\n", "is a description in YAML"),
        ("notes.txt", b"hello", "is neither a .keras archive nor an HDF5 file"),
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(tmp_path, name, data, what):
    path = tmp_path / name
    path.write_bytes(data)
    error = refusal(path)
    assert error.exit_code == 3
    assert str(error).startswith(f"{name}: {what}")
    assert error.hint


@pytest.mark.parametrize(
    ("members", "what"),
    [
        (["archive/data.pkl", "archive/data/0"], "is a PyTorch file"),
        (["arr_0.npy", "arr_1.npy"], "is a file of numpy arrays"),
        (["saved/saved_model.pb"], "is a zipped SavedModel"),
        (["model/config.json", "model/model.weights.h5"], "has its config.json inside a folder"),
        (["readme.txt"], "has no config.json"),
    ],
)
def test_another_zip_archive_is_called_by_its_name(tmp_path, members, what):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"content")
    error = refusal(path)
    assert error.exit_code == 3
    assert str(error).startswith(f"model.keras: {what}")


@pytest.mark.parametrize(
    ("files", "what", "hint"),
    [
        (["saved_model.pb"], "is a SavedModel folder", "Run the code that made the model"),
        (["saved_model.pb", "keras_metadata.pb"], "is a SavedModel folder that Keras 2 wrote", "tf_keras"),
        (["checkpoint", "m.index", "m.data-00000-of-00001"], "is a TensorFlow checkpoint", "model.keras"),
        (["a.keras"], "is a folder", "convert "),
        (["notes.txt"], "is a folder without a Keras model", ".h5"),
        ([], "is an empty folder", ".h5"),
    ],
)
def test_a_folder_is_called_by_what_is_in_it(tmp_path, files, what, hint):
    folder = tmp_path / "given"
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(b"x")
    error = refusal(folder)
    assert error.exit_code == 3
    assert str(error).splitlines()[0] == f"{folder}: {what}" or what == "is a TensorFlow checkpoint"
    assert hint in error.hint


def test_the_graph_inside_a_saved_model_is_called_as_its_folder(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    (tmp_path / "keras_metadata.pb").write_bytes(b"x")
    assert "is a SavedModel folder that Keras 2 wrote" in str(refusal(tmp_path / "saved_model.pb"))


def test_the_prefix_of_a_checkpoint_is_known_though_there_is_no_such_file(tmp_path):
    (tmp_path / "ckpt.index").write_bytes(b"x")
    assert "is a TensorFlow checkpoint" in str(refusal(tmp_path / "ckpt"))
    assert refusal(tmp_path / "none").exit_code == 2


def test_a_folder_that_may_not_be_looked_into(tmp_path, monkeypatch):
    def refused(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refused)
    assert "cannot be read: Permission denied" in str(refusal(tmp_path))


def test_what_to_type_for_an_unpacked_keras_file_makes_one(keras_file, tmp_path):
    folder = tmp_path / "my model"
    with zipfile.ZipFile(keras_file()) as archive:
        archive.extractall(folder)
    error = refusal(folder)
    assert "is an unpacked .keras file" in str(error)
    command = shlex.split(error.hint.partition("Zip it again: ")[2])
    command[0] = sys.executable
    subprocess.run(command, check=True, cwd=tmp_path)
    with open_archive(tmp_path / "my model.keras") as made:
        assert describe(made, {}, InputShapes()).parameters == 15


def test_what_to_type_for_a_saved_model_is_python(tmp_path):
    folder = tmp_path / 'it\'s "mine"'
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"x")
    (folder / "keras_metadata.pb").write_bytes(b"x")
    command = shlex.split(refusal(folder).hint.partition("(pip install tf_keras): ")[2])
    assert command[:2] == ["python", "-c"]
    code = compile(command[2], "hint", "exec")
    assert str(folder) in [constant for constant in code.co_consts if isinstance(constant, str)]


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in str(refusal(tmp_path / "pipe"))


def test_arrays_are_not_opened(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, kernel=np.zeros(3))
    assert isinstance(refusal(path), UnsafeFileError)
