"""The JSON of ``model.to_json()`` beside a file of weights, given as ``--weights``."""

import hashlib
import json
import random
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from converter.archive import combined_digest, open_archive
from converter.description import InputShapes, describe
from converter.errors import ConversionError, UnsafeFileError, UsageError


@pytest.fixture
def model_json(tmp_path, config):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(config))
    return path


def a_tree(file):
    file["layers/dense/vars/0"] = np.arange(12, dtype="f4").reshape(4, 3)
    file["layers/dense/vars/1"] = np.zeros(3, "f4")
    file["optimizer/vars/0"] = np.zeros(7, "f4")


def lists(group):
    group.attrs["layer_names"] = ["dense", "pss"]
    group.create_group("dense").attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
    group.create_group("pss").attrs["weight_names"] = np.zeros(0)
    group["dense/dense/kernel:0"] = np.arange(12, dtype="f4").reshape(4, 3)
    group["dense/dense/bias:0"] = np.zeros(3, "f4")


def listed_by_keras_2(file):
    file.attrs["keras_version"] = "2.15.0"
    lists(file)


def a_whole_model(file):
    file.attrs["keras_version"] = "3.1.0"
    file.attrs["model_config"] = "{}"
    lists(file.create_group("model_weights"))
    file["optimizer_weights/m"] = np.zeros(7, "f4")


@pytest.fixture
def weights(tmp_path):
    def make(write=a_tree, name="model.weights.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            write(file)
        return tmp_path / name

    return make


def described(path, weights):
    with open_archive(path, weights=weights) as archive:
        archive.verify()
        return archive.keras_version, describe(archive, {}, InputShapes())


@pytest.mark.parametrize(
    ("write", "version"), [(a_tree, "unknown"), (listed_by_keras_2, "2.15.0"), (a_whole_model, "3.1.0")]
)
def test_the_weights_may_be_a_tree_or_lists(model_json, weights, write, version):
    stated, description = described(model_json, weights(write))
    assert stated == version
    assert description.parameters == 15
    kernel = description.graph.layers["dense"].weights["vars/0"]
    assert kernel.shape == (4, 3)


def test_the_weights_are_those_of_the_file(model_json, weights):
    with open_archive(model_json, weights=weights()) as archive:
        graph = describe(archive, {}, InputShapes()).graph
        kernel = graph.layers["dense"].weights["vars/0"].read()
    np.testing.assert_array_equal(kernel, np.arange(12).reshape(4, 3))


def test_the_version_that_the_json_states_goes_before(model_json, weights, config):
    model_json.write_text(json.dumps({**config, "keras_version": "2.9.0"}))
    assert described(model_json, weights(listed_by_keras_2))[0] == "2.9.0"


def test_a_description_without_a_version_is_of_keras_2_if_it_writes_as_keras_2(model_json, weights, config):
    layer = config["config"]["layers"][0]["config"]
    layer["batch_input_shape"] = layer.pop("batch_shape")
    model_json.write_text(json.dumps(config))
    assert described(model_json, weights())[0] == "2.x"


def test_the_digest_is_of_both_files(model_json, weights):
    file = weights()
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (model_json, file)]
    with open_archive(model_json, weights=file) as archive:
        assert archive.sha256 == combined_digest(digests)
        assert archive.sha256 == hashlib.sha256("".join(f"{each}\n" for each in digests).encode()).hexdigest()
    assert combined_digest(digests[:1]) == digests[0]


def test_json_without_weights_says_which_option_is_missing(model_json):
    with pytest.raises(UsageError) as refused, open_archive(model_json):
        pass
    assert refused.value.hint == f"Give them too: convert {model_json} --weights model.weights.h5"


def test_weights_without_json_say_what_to_type(weights):
    file = weights(name="the weights.h5")
    with pytest.raises(UnsafeFileError, match="it has weights only") as refused, open_archive(file):
        pass
    assert f"convert model.json --weights '{file}'" in refused.value.hint


@pytest.mark.parametrize("fixture", ["keras_file", "h5_file"])
def test_a_whole_model_takes_no_weights(request, weights, fixture):
    path = request.getfixturevalue(fixture)()
    with (
        pytest.raises(UsageError, match="--weights is accepted only with that"),
        open_archive(path, weights=weights()),
    ):
        pass


def test_a_keras_file_is_no_file_of_weights(model_json, keras_file):
    path = keras_file()
    with pytest.raises(UsageError, match="holds its own description"), open_archive(model_json, weights=path):
        pass


@pytest.mark.parametrize("text", ["{}", '{"class_name": "Functional"}', '{"class_name": 1, "config": {}}'])
def test_other_json_is_no_model(model_json, weights, text):
    model_json.write_text(text)
    with pytest.raises(UnsafeFileError, match=r"not that of model\.to_json") as refused:
        described(model_json, weights())
    assert refused.value.where == "model.json"


@pytest.mark.parametrize("text", ['{"class_name": ', '{"a": 1, "a": 2}', "{" * 300 + "}" * 300])
def test_json_is_as_bounded_as_in_an_archive(model_json, weights, text):
    model_json.write_text(text)
    with pytest.raises(UnsafeFileError):
        described(model_json, weights())


@pytest.mark.parametrize("write", [a_tree, lists, a_whole_model])
def test_a_weight_that_no_layer_owns_is_refused(model_json, weights, write):
    def more(file):
        write(file)
        group = file.get("model_weights", file)
        group["layers/other/vars/0"] = np.zeros(3)

    with pytest.raises(UnsafeFileError, match=r"is a weight that no layer (owns|lists)"):
        described(model_json, weights(more))


@pytest.mark.parametrize("link", [h5py.SoftLink("/elsewhere"), h5py.ExternalLink("/etc/passwd", "/")])
def test_a_link_among_the_weights_is_refused(model_json, weights, link):
    def linked(file):
        a_tree(file)
        file["layers/dense/vars/2"] = link

    with pytest.raises(UnsafeFileError, match="link; weights must lie in the file itself"):
        described(model_json, weights(linked))


def test_weights_of_another_shape_are_refused(model_json, weights):
    def wrong(file):
        file["layers/dense/vars/0"] = np.zeros((4, 5))
        file["layers/dense/vars/1"] = np.zeros(5)

    with pytest.raises(UnsafeFileError, match="where its options call for"):
        described(model_json, weights(wrong))


def test_weights_that_are_missing_are_refused(model_json, weights):
    with pytest.raises(UnsafeFileError, match="stores 0 weights"):
        described(model_json, weights(lambda file: file.create_group("layers")))


@pytest.mark.parametrize("write", [a_tree, listed_by_keras_2])
def test_damaged_files_end_in_a_refusal(model_json, weights, write):
    chance = random.Random(7)  # noqa: S311  the same every time
    file = weights(write)
    whole, text = file.read_bytes(), model_json.read_bytes()
    for _ in range(150):
        data, described_as = bytearray(whole), bytearray(text)
        for _ in range(chance.choice([1, 2, 8])):
            data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.2:
                described_as[chance.randrange(len(text))] = chance.randrange(256)
        file.write_bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
        model_json.write_bytes(described_as)
        try:
            described(model_json, file)
        except ConversionError as error:
            assert len(str(error).splitlines()) <= 2  # noqa: PT017  many are read as they are


def test_the_parts_of_a_keras_file_can_be_given_by_themselves(keras_file, tmp_path):
    path = keras_file()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked"
    _, description = described(folder / "config.json", folder / "model.weights.h5")
    assert description.parameters == 15
    shutil.rmtree(folder)
