"""Every field of Triton's ModelConfig, as its descriptor has it: honoured and told again, or refused by its name."""

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from onnx import TensorProto, helper

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError
from serving.repository.repository import Repository
from serving.services.open_inference import config_message
from serving.services.open_inference.config_support import SUPPORTED, UNSUPPORTED

IMAGE = """
name: "image"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
max_batch_size: 8
default_model_filename: "model.onnx"
input { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 2, 2 ] reshape { shape: [ 12 ] } }
output { name: "y" data_type: TYPE_FP32 dims: [ 12, 1 ] reshape { shape: [ 12 ] } label_filename: "labels.txt" }
version_policy { specific { versions: [ 1 ] } }
instance_group { name: "first" kind: KIND_CPU count: 2 }
instance_group { name: "second" kind: KIND_MODEL count: 1 }
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 1500
  preserve_ordering: true
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy {
    max_queue_size: 5 default_timeout_microseconds: 7000 timeout_action: DELAY allow_timeout_override: true
  }
  priority_queue_policy {
    key: 1
    value { max_queue_size: 9 default_timeout_microseconds: 8000 timeout_action: DELAY allow_timeout_override: true }
  }
}
model_warmup {
  name: "zeros" batch_size: 4 count: 3
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 3, 2, 2 ] zero_data: true } }
}
model_warmup {
  name: "numbers" batch_size: 1 count: 1
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 3, 2, 2 ] random_data: true } }
}
optimization {
  graph { level: 1 } input_pinned_memory { enable: true } output_pinned_memory { enable: true }
}
parameters { key: "intra_op_thread_count" value { string_value: "2" } }
parameters { key: "inter_op_thread_count" value { string_value: "3" } }
parameters { key: "execution_mode" value { string_value: "1" } }
parameters { key: "enable_mem_arena" value { string_value: "0" } }
parameters { key: "enable_mem_pattern" value { string_value: "0" } }
parameters { key: "whatever" value { string_value: "for clients" } }
"""

SAMPLES = [
    IMAGE,
    IMAGE.replace("specific { versions: [ 1 ] }", "latest { num_versions: 2 }").replace("NCHW", "NHWC"),
    IMAGE.replace("specific { versions: [ 1 ] }", "all {}"),
]


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def fields(descriptor, above=""):
    """Every path in a message, and whether it holds others."""
    for field in descriptor.fields:
        path, held = f"{above}{field.name}", field.message_type
        if is_map(field):
            held = held.fields_by_name["value"].message_type
            path = path if held is None else f"{path}.value"
        inner = [] if held is None else list(held.fields)
        yield path, bool(inner)
        # A message of Triton's that holds itself would have no end; none does.
        if inner:
            yield from fields(held, f"{path}.")


LEAVES = [path for path, holds in fields(pb.ModelConfig.DESCRIPTOR) if not holds]


def refused_by(path):
    """The entries of the table that refuse a field: its own, or one above it."""
    return [each for each in UNSUPPORTED if path == each or path.startswith(f"{each}.")]


def set_paths(message, above=""):
    for field, value in message.ListFields():
        path = f"{above}{field.name}"
        if is_map(field):
            held = [each for each in value.values() if isinstance(each, Message)]
            path = f"{path}.value" if held else path
        elif field.message_type is None:
            held = []
        else:
            held = list(value) if field.is_repeated else [value]
        if not any(each.DESCRIPTOR.fields for each in held):
            yield path
        for each in held:
            yield from set_paths(each, f"{path}.")


def made(path):
    """A config in which this field is set and no other."""
    config = message = pb.ModelConfig()
    for name in path.replace(".value.", ".").split("."):
        field = message.DESCRIPTOR.fields_by_name[name]
        message = put(message, field)
    return config


def put(message, field):
    """Set a field to something else than nothing; the message in it, if it holds one."""
    value = getattr(message, field.name)
    if is_map(field):
        held = field.message_type.fields_by_name["value"].message_type
        if held is None:
            value["a"] = "b"
            return None
        key = field.message_type.fields_by_name["key"]
        return value["a" if key.cpp_type == key.CPPTYPE_STRING else 1]
    if field.message_type is not None:
        if field.is_repeated:
            return value.add()
        value.SetInParent()
        return value
    one = {field.CPPTYPE_STRING: "a", field.CPPTYPE_BOOL: True, field.CPPTYPE_ENUM: 1}.get(field.cpp_type, 1)
    if field.is_repeated:
        value.append(0 if field.cpp_type == field.CPPTYPE_ENUM else one)
    else:
        setattr(message, field.name, one)
    return None


def test_each_field_is_honoured_or_refused_and_not_both():
    for path in LEAVES:
        assert (path in SUPPORTED) + len(refused_by(path)) == 1, path


def test_no_table_has_a_field_that_does_not_exist():
    every = {path for path, _ in fields(pb.ModelConfig.DESCRIPTOR)}
    assert every >= SUPPORTED | UNSUPPORTED.keys()


@pytest.mark.parametrize(
    "path", [path for path, _ in fields(pb.ModelConfig.DESCRIPTOR) if path in UNSUPPORTED]
)
def test_a_field_that_is_refused_is_named(path):
    with pytest.raises(ModelLoadError) as error:
        config_message.parse(text_format.MessageToString(made(path)))
    assert f"sets '{path}', which this server does not do: {UNSUPPORTED[path]}; remove it" in str(error.value)


@pytest.mark.parametrize(
    "path", [path for path in LEAVES if any(path.startswith(f"{each}.") for each in UNSUPPORTED)]
)
def test_whatever_is_set_in_what_is_refused_is_refused(path):
    (above,) = refused_by(path)
    with pytest.raises(ModelLoadError, match=f"sets '{above}'"):
        config_message.parse(text_format.MessageToString(made(path)))


@pytest.fixture
def served(repository, onnx_models):
    """Serves a model with a config; returns it."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 12]) for name in "xy")
    content = onnx_models.save([helper.make_node("Add", ["x", "x"], ["y"])], [x], [y])

    def serve(text):
        repository.onnx("image", content)
        repository.config("image", text)
        (repository.root / "image" / "labels.txt").write_text("\n".join("abcdefghijkl"))
        models = Repository(repository.root, parse=config_message.parse)
        models.load_all()
        return models.get("image")

    return serve


@pytest.mark.parametrize("text", SAMPLES, ids=["specific", "latest", "all"])
def test_what_is_honoured_is_told_as_it_was_written(served, text):
    told, written = config_message.from_loaded_model(served(text)), text_format.Parse(text, pb.ModelConfig())
    assert told == written
    assert text_format.MessageToString(told) == text_format.MessageToString(written)


def test_the_samples_have_every_field_that_is_honoured():
    written = {path for text in SAMPLES for path in set_paths(text_format.Parse(text, pb.ModelConfig()))}
    assert written == SUPPORTED


def test_a_reshape_has_its_effect(served):
    model = served(IMAGE)
    assert [each.shape for each in (*model.inputs, *model.outputs)] == [(-1, 3, 2, 2), (-1, 12, 1)]
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    (y,) = model.runtime.infer({"x": x}, ["y"])
    np.testing.assert_array_equal(y, 2 * x.reshape(2, 12, 1))


TRITONS = """{
"name": "image", "platform": "onnxruntime_onnx", "backend": "onnxruntime", "runtime": "", "max_batch_size": 8,
"version_policy": {"latest": {"num_versions": 1}},
"input": [{"name": "x", "data_type": "TYPE_FP32", "format": "FORMAT_NONE", "dims": [12], "is_shape_tensor": false,
    "allow_ragged_batch": false, "optional": false, "is_non_linear_format_io": false}],
"output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [12], "label_filename": "", "is_shape_tensor": false,
    "is_non_linear_format_io": false}],
"batch_input": [], "batch_output": [],
"optimization": {"priority": "PRIORITY_DEFAULT", "input_pinned_memory": {"enable": true},
    "output_pinned_memory": {"enable": true}, "gather_kernel_buffer_threshold": 0, "eager_batching": false},
"dynamic_batching": {"preferred_batch_size": [8], "max_queue_delay_microseconds": 0, "preserve_ordering": false,
    "priority_levels": 0, "default_priority_level": 0, "priority_queue_policy": {}},
"instance_group": [{"name": "image", "kind": "KIND_CPU", "count": 1, "gpus": [], "secondary_devices": [],
    "profile": [], "passive": false, "host_policy": ""}],
"default_model_filename": "model.onnx", "cc_model_filenames": {}, "metric_tags": {}, "parameters": {},
"model_warmup": [], "model_transaction_policy": {"decoupled": false}, "response_cache": {"enable": false}
}"""
"""What Triton tells of a model that has nothing but a name and a batch in its config."""


def test_a_config_as_triton_tells_it_is_taken():
    read = config_message.parse_json(TRITONS)
    assert (read.max_batch_size, read.filename) == (8, "model.onnx")
    assert read.pinned == {"input_pinned_memory": True, "output_pinned_memory": True}


def test_a_mark_that_an_editor_wrote_before_the_text_is_no_part_of_it(served):
    assert (
        config_message.from_loaded_model(served(f"\ufeff{IMAGE}")).input[0].format
        == pb.ModelInput.FORMAT_NCHW
    )
    assert config_message.parse_json('\ufeff{"max_batch_size": 4}').max_batch_size == 4
