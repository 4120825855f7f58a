"""Descriptions in which fuzzing found something other than a refusal; each is kept here as it was found."""

import json
import zipfile

import pytest

from converter.archive import open_archive
from converter.description import InputShapes, describe
from converter.errors import ConversionError


def layer(kind, name, module="keras.layers", **config):
    return {"module": module, "class_name": kind, "config": {"name": name, **config}}


def refusal_of(path):
    with open_archive(path) as archive, pytest.raises(ConversionError) as caught:
        describe(archive, {}, InputShapes())
    return caught.value


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (layer("TimeDistributed", "x"), "has no 'layer'"),
        (layer("Bidirectional", "x", layer=[]), "its 'layer' is a list"),
        (layer("RNN", "x", cell=layer("StackedRNNCells", "y", cells={})), "its 'cells' is not a list"),
        (layer("InputLayer", "x", batch_shape=[None, 4], dtype={"config": {"name": {"a": 1}}}), "has dtype "),
        (layer("ReLU", "x", max_value={"class_name": {}, "config": 3}), "holds an object"),
        (layer("ReLU", "x\x1b[31m"), "cannot be printed"),
    ],
)
def test_malformed_layers_are_refused(hostile, extra, message):
    error = refusal_of(hostile(extra))
    assert error.exit_code in {3, 4}
    assert message in error.what
    assert all(line.isprintable() for line in str(error).splitlines())


def test_models_that_double_inside_models_are_refused_before_they_fill_the_memory(hostile):
    model = layer("ReLU", "end")
    inner = {"class_name": "Sequential", "config": {"name": "m0", "layers": [model]}}
    for number in range(1, 25):
        inputs = layer("InputLayer", "i", batch_shape=[None, 4])
        name = f"m{number - 1}"
        nodes = [_call("i", 0), _call(name, 0)]
        layers = [
            {**inputs, "name": "i", "inbound_nodes": []},
            {**inner, "name": name, "inbound_nodes": nodes},
        ]
        config = {"name": f"m{number}", "layers": layers, "input_layers": [["i", 0, 0]]}
        inner = {"class_name": "Functional", "config": {**config, "output_layers": [[name, 1, 0]]}}
    error = refusal_of(hostile(inner))
    assert error.exit_code == 3
    assert error.what == "calls more than 20,000 layers, as models inside models can"


def _call(source, index):
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [source, index, 0]}}
    return {"args": [tensor], "kwargs": {}}


def test_an_input_that_is_missing_does_not_take_the_name_of_a_layer(tmp_path, hostile):
    """A first layer called ``input`` and no InputLayer: the input that is made has a name of its own."""
    path = hostile()

    made = tmp_path / "unbuilt.keras"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(made, "w") as copy:
        for name in archive.namelist():
            data = archive.read(name)
            if name == "config.json":
                config = json.loads(data)
                del config["config"]["layers"][0]
                config["config"]["layers"][0]["config"]["name"] = "input"
                data = json.dumps(config).encode()
            copy.writestr(name, data)
    with open_archive(made) as archive:
        graph = describe(archive, {}, InputShapes()).graph
    assert list(graph.layers) == ["input_1", "input"]
