import pytest

from converter.description.unsafe_references import refuse_unsafe_references
from converter.errors import UnsafeFileError

WHERE = "layer 'x'"


def names(module, class_name, config=None):
    return {
        "module": module,
        "class_name": class_name,
        "config": config if config is not None else {"name": "x"},
    }


@pytest.mark.parametrize(
    "entry",
    [
        names("os", "system"),
        names("os.path", "join"),
        names("builtins", "eval"),
        names("posix", "system", "system"),
        names("shutil", "function", "rmtree"),
        names("keras.config", "function", "enable_unsafe_deserialization"),
        names("keras.src.saving.saving_lib", "function", "load_model"),
        names("keras.utils", "get_file"),
        names("tensorflow.io", "read_file"),
        names("tensorflow", "TFSMLayer"),
        names("anything", "TorchModuleWrapper"),
        names("keras.layers", "Dense", {"activation": names("os", "system")}),
        {"class_name": "Dense", "config": {}, "inbound_nodes": [{"args": [names("subprocess", "Popen")]}]},
        names("keras.layers", "StringLookup", {"vocabulary": "words.txt"}),
        names("keras.layers", "TextVectorization", {"vocabulary": None, "idf_weights": "/etc/passwd"}),
    ],
)
def test_what_is_no_part_of_a_model_is_refused(entry):
    with pytest.raises(UnsafeFileError) as refusal:
        refuse_unsafe_references(entry, WHERE)
    assert refusal.value.where == WHERE


@pytest.mark.parametrize(
    "entry",
    [
        names("keras.layers", "Dense", {"name": "os", "activation": "relu"}),
        names("builtins", "function", "smooth_sigmoid"),
        names("__main__", "PSSLayer", {"alpha": 2.0}),
        names("test", "PSSLayer"),
        names("my_project.layers", "PSSLayer"),
        names(None, "PSSLayer"),
        names("keras.src.ops.numpy", "Add"),
        names("keras.layers", "StringLookup", {"vocabulary": ["a", "b"]}),
        {"class_name": 3, "module": "os", "config": [1, None, "os.system"]},
    ],
)
def test_what_a_model_may_name_is_let_through(entry):
    refuse_unsafe_references(entry, WHERE)
