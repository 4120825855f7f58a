import hashlib
import io
import zipfile

import h5py
import ml_dtypes
import numpy as np
import pytest

from converter.archive import open_archive
from converter.description import InputShapes, describe


def kernel_of(path):
    with open_archive(path) as archive:
        archive.verify()
        graph = describe(archive, {}, InputShapes()).graph
        return next(
            weight for weight in graph.layers["dense"].weights.values() if len(weight.shape) == 2
        ).read()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_keras_file_is_read_whether_its_members_are_stored_or_deflated(keras_file, compression):
    np.testing.assert_array_equal(kernel_of(keras_file(compression=compression)), np.arange(12).reshape(4, 3))


def test_an_h5_file_is_read(h5_file):
    path = h5_file()
    np.testing.assert_array_equal(kernel_of(path), np.arange(12).reshape(4, 3))
    with open_archive(path) as archive:
        assert (archive.format, archive.keras_version) == ("h5", "2.15.0")


def test_the_first_bytes_decide_the_format_and_not_the_name(keras_file):
    path = keras_file()
    misnamed = path.rename(path.with_name("model.h5"))
    with open_archive(misnamed) as archive:
        assert (archive.format, archive.keras_version) == ("keras", "3.15.1")


def test_the_digest_is_that_of_the_files_bytes(keras_file):
    path = keras_file()
    with open_archive(path) as archive:
        assert archive.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_optimizers_weights_belong_to_no_layer_and_are_left_alone(keras_file):
    path = keras_file(weights=lambda file: file.create_dataset("optimizer/vars/0", data=np.zeros(3)))
    assert kernel_of(path).shape == (4, 3)


def test_bfloat16_is_read_as_the_type_that_the_file_states(keras_file):
    def write(file):
        del file["layers/dense/vars/0"]
        stored = file.create_dataset("layers/dense/vars/0", data=np.full((4, 3), 1.5, ml_dtypes.bfloat16))
        stored.attrs["dtype"] = "bfloat16"

    kernel = kernel_of(keras_file(weights=write))
    assert kernel.dtype == ml_dtypes.bfloat16
    assert (kernel == 1.5).all()


def test_a_list_of_names_that_keras_split_is_put_together(h5_file):
    def split(file):
        del file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs["layer_names0"] = ["dense"]
        file["model_weights"].attrs["layer_names1"] = ["pss"]

    assert kernel_of(h5_file(split)).shape == (4, 3)


def test_a_file_is_opened_once_so_that_what_is_read_is_what_was_checked(keras_file):
    path = keras_file()
    with open_archive(path) as archive:
        other = io.BytesIO()
        with h5py.File(other, "w") as file:
            file["x"] = 1
        path.unlink()
        path.write_bytes(other.getvalue())
        archive.verify()
        assert describe(archive, {}, InputShapes()).parameters == 15


def test_a_version_that_is_no_version_is_unknown(keras_file, tmp_path):
    path = keras_file()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "odd.keras", "w") as made:
        for name in archive.namelist():
            made.writestr(
                name, '{"keras_version": "\\u001b[31m"}' if name == "metadata.json" else archive.read(name)
            )
    with open_archive(tmp_path / "odd.keras") as archive:
        assert archive.keras_version == "unknown"
