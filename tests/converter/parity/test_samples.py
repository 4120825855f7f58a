import io
import re
import zipfile

import ml_dtypes
import numpy as np
import pytest

from converter.errors import UsageError
from converter.parity import array_file
from converter.parity.samples import sample_probes
from converter.signature import Signature, TensorSpec

ONE = Signature((TensorSpec("pixels", (None, 3), "float32"),), (TensorSpec("digits", (None, 2), "float32"),))
TWO = Signature(
    (TensorSpec("image", (None, None, 2), "float32"), TensorSpec("ids", (None, 4), "int32")),
    (TensorSpec("left", (None, 1), "float32"), TensorSpec("right", (None, 1), "float32")),
)


def one_input(dtype, shape=(None, 3)):
    return Signature((TensorSpec("x", shape, dtype),), ())


@pytest.fixture
def saved(tmp_path):
    def save(name="x.npz", **arrays):
        path = tmp_path / name
        np.savez(path, **arrays)
        return path

    return save


def refusal(*arguments):
    with pytest.raises(UsageError) as caught:
        sample_probes(*arguments)
    assert caught.value.hint
    return str(caught.value)


def npy_bytes(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_rows_come_in_batches_of_at_most_32_with_their_answers(saved):
    pixels = np.arange(70 * 3, dtype=np.float32).reshape(70, 3)
    digits = -np.arange(70 * 2, dtype=np.float32).reshape(70, 2)
    several = sample_probes(saved(pixels=pixels), saved("y.npz", digits=digits), ONE)
    assert [len(probe.inputs["pixels"]) for probe in several] == [32, 32, 6]
    assert [probe.name for probe in several] == ["samples-0", "samples-32", "samples-64"]
    assert several[2].distribution == "rows 64 to 69 of x.npz"
    assert np.array_equal(np.concatenate([probe.inputs["pixels"] for probe in several]), pixels)
    assert np.array_equal(np.concatenate([probe.expected["digits"] for probe in several]), digits)


def test_without_recorded_answers_a_probe_has_none(saved):
    assert sample_probes(saved(pixels=np.ones((1, 3), np.float32)), None, ONE)[0].expected is None


def test_one_file_may_hold_inputs_answers_and_labels(saved):
    pixels, digits = np.ones((2, 3), np.float32), np.ones((2, 2), np.float32)
    path = saved(pixels=pixels, digits=digits, label=np.array([1, 2, 3]))
    probe = sample_probes(path, path, ONE)[0]
    assert set(probe.inputs) == {"pixels"}
    assert set(probe.expected) == {"digits"}


def test_several_inputs_are_matched_by_name_and_ordered_as_the_model_has_them(saved):
    path = saved(ids=np.ones((5, 4), np.int32), image=np.ones((5, 9, 2), np.float32))
    assert list(sample_probes(path, None, TWO)[0].inputs) == ["image", "ids"]


def test_a_lone_unnamed_array_or_npy_file_will_do_for_one_input(tmp_path):
    pixels = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "x.npz", pixels)
    np.save(tmp_path / "x.npy", pixels)
    for name in ("x.npz", "x.npy"):
        assert np.array_equal(sample_probes(tmp_path / name, None, ONE)[0].inputs["pixels"], pixels)


def test_an_unnamed_array_will_not_do_for_two_inputs(tmp_path):
    np.savez(tmp_path / "x.npz", np.ones((2, 3)))
    text = refusal(tmp_path / "x.npz", None, TWO)
    assert "--samples x.npz: holds 'arr_0', and lacks 'image', 'ids'" in text


def test_a_missing_answer_is_named_with_what_came_instead(saved):
    samples = saved(pixels=np.ones((2, 3), np.float32))
    text = refusal(samples, saved("y.npz", digit=np.ones((2, 2))), ONE)
    assert "--expected y.npz: holds 'digit', and lacks 'digits'" in text


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 1), (3,), ()])
def test_another_shape_is_refused_with_both_shapes(saved, shape):
    text = refusal(saved(pixels=np.ones(shape, np.float32)), None, ONE)
    assert f"array 'pixels' has shape {shape}, and (rows, 3) was expected" in text


def test_a_free_axis_takes_any_size(saved):
    path = saved(ids=np.ones((1, 4), np.int32), image=np.ones((1, 1000, 2), np.float32))
    assert sample_probes(path, None, TWO)[0].inputs["image"].shape == (1, 1000, 2)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (np.array([[1, 2, 255]], np.uint8), "float32"),
        (np.array([[1, 2, 2**24]], np.int64), "float32"),
        (np.array([[0.5, 2.0, np.nan]], np.float64), "float32"),
        (np.array([[0.5, 2.0, np.inf]], np.float32), "float16"),
        (np.array([[1.0, 2.0, 3.0]], np.float32), "int32"),
        (np.array([[1, 2, 3]], np.int64), "int32"),
        (np.array([[0, 1, 1]], np.int64), "bool"),
        (np.array([[True, False, True]]), "float32"),
        (np.array([[0.5, 2.0, 3.0]], ">f4"), "float32"),
        (np.array([[0.5, 2.0, 3.0]], np.float32), "bfloat16"),
    ],
)
def test_a_cast_that_loses_nothing_is_made(saved, given, wanted):
    came = sample_probes(saved(x=given), None, one_input(wanted))[0].inputs["x"]
    assert came.dtype.name == wanted
    assert came.dtype.isnative
    np.testing.assert_array_equal(came.astype(np.float64), given.astype(np.float64))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (np.array([[0.1, 0.2, 0.3]], np.float64), "float32"),
        (np.array([[1e300, 0, 0]], np.float64), "float32"),
        (np.array([[1, 2, 2**24 + 1]], np.int64), "float32"),
        (np.array([[1, 2, 2**40]], np.int64), "int32"),
        (np.array([[1.5, 2, 3]], np.float32), "int32"),
        (np.array([[np.nan, 2, 3]], np.float32), "int32"),
        (np.array([[-1, 2, 3]], np.int8), "uint8"),
        (np.array([[0, 1, 2]], np.int64), "bool"),
        (np.array([[1e-3, 1, 2]], np.float32), "bfloat16"),
        (np.array([["1", "2", "3"]]), "float32"),
        (np.array([[1j, 2, 3]]), "float32"),
    ],
)
def test_a_cast_that_would_lose_something_is_refused_with_both_dtypes(saved, given, wanted):
    text = refusal(saved(x=given), None, one_input(wanted))
    assert f"array 'x' has dtype {given.dtype.name}" in text
    assert f"{wanted} was expected" in text
    assert f"array.astype('{wanted}')" in text


def test_bfloat16_survives_being_saved_although_numpy_forgets_its_name(saved):
    given = np.array([[0.5, -3.0, 1e30]], ml_dtypes.bfloat16)
    came = sample_probes(saved(x=given), None, one_input("bfloat16"))[0].inputs["x"]
    assert came.tobytes() == given.tobytes()
    assert came.dtype == given.dtype


def test_samples_for_an_input_of_strings_are_refused(saved):
    assert "of dtype string" in refusal(saved(x=np.array([["a"] * 3])), None, one_input("string"))


def test_the_numbers_of_rows_must_agree_and_are_named(saved):
    samples = saved(pixels=np.ones((5, 3), np.float32))
    text = refusal(samples, saved("y.npz", digits=np.ones((4, 2), np.float32)), ONE)
    assert "5 rows of 'pixels' in x.npz, 4 rows of 'digits' in y.npz" in text
    inputs = saved(ids=np.ones((2, 4), np.int32), image=np.ones((3, 9, 2), np.float32))
    assert "3 rows of 'image' in x.npz, 2 rows of 'ids' in x.npz" in refusal(inputs, None, TWO)


def test_no_rows_prove_nothing(saved):
    assert "at least one" in refusal(saved(pixels=np.ones((0, 3), np.float32)), None, ONE)


def test_a_fixed_batch_cuts_the_rows_and_must_divide_them(saved):
    signature = one_input("float32", (50, 3))
    several = sample_probes(saved(x=np.ones((100, 3), np.float32)), None, signature)
    assert [len(probe.inputs["x"]) for probe in several] == [50, 50]
    text = refusal(saved(x=np.ones((70, 3), np.float32)), None, signature)
    assert "70 rows came; the model takes batches of 50" in text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"PK\x03\x04broken", id="broken zip"),
        pytest.param(npy_bytes(np.ones((4, 3)))[:-8], id="truncated npy"),
        pytest.param(npy_bytes(np.ones((4, 3)))[:20], id="truncated header"),
        pytest.param(b"\x93NUMPY\x09\x00", id="unknown version"),
        pytest.param(b"\x93NUMPY\x01\x00\x06\x00{'a':1", id="header cut short"),
        pytest.param(b"\x93NUMPY\x01\x00\x07\x00{'a':1}", id="header without a shape"),
        pytest.param(b"\x93NUMPY\x01\x00\xe8\x03" + b"(" * 1000, id="header of parentheses"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    assert "--samples x.npz: is not a file of arrays" in refusal(path, None, ONE)


def test_python_objects_are_refused_and_nothing_is_unpickled(tmp_path):
    touched = tmp_path / "touched"

    class Touch:
        def __reduce__(self):
            return (touched.write_text, ("unpickled",))

    np.savez(tmp_path / "x.npz", pixels=np.array([Touch()], dtype=object))
    np.save(tmp_path / "x.npy", np.array([Touch()], dtype=object))
    for name in ("x.npz", "x.npy"):
        assert "Python objects" in refusal(tmp_path / name, None, ONE)
    assert not touched.exists()


def test_a_header_that_promises_more_than_is_there_is_refused_before_anything_is_allocated(tmp_path):
    honest = npy_bytes(np.ones((4, 3)))
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "pixels.npy", re.sub(rb"\(4, 3\), } {12}", b"(4000000000000, 3), }", honest, count=1)
        )
    assert "shape (4000000000000, 3)" in refusal(path, None, ONE)


def test_a_file_that_unpacks_to_too_much_is_refused(saved, monkeypatch):
    monkeypatch.setattr(array_file, "LARGEST_BYTES", 1000)
    assert "at most 1000 are read" in refusal(saved(pixels=np.ones((200, 3), np.float32)), None, ONE)


def test_two_arrays_of_one_name_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pixels.npy", npy_bytes(np.ones((4, 3))))
        archive.writestr("pixels", npy_bytes(np.ones((4, 3))))
    assert "two arrays are called 'pixels'" in refusal(path, None, ONE)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    assert "--samples none.npz: cannot be read: No such file" in refusal(tmp_path / "none.npz", None, ONE)
    assert "cannot be read: Is a directory" in refusal(tmp_path, None, ONE)
