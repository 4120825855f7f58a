from dataclasses import replace

import pytest

from serving.errors import ModelLoadError
from serving.repository.config import (
    Batching,
    InstanceGroup,
    ModelConfig,
    QueuePolicy,
    TensorConfig,
    VersionPolicy,
    WarmupInput,
    WarmupRequest,
)
from serving.services.open_inference import config_message

FULL = """
name: "function"
platform: "python_function"
backend: "python"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [ 2 ] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }]
version_policy { specific { versions: [ 1, 3 ] } }
instance_group [{ count: 2 kind: KIND_CPU }]
dynamic_batching {
  preferred_batch_size: [ 8, 4 ]
  max_queue_delay_microseconds: 1500
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { max_queue_size: 5 default_timeout_microseconds: 7000 timeout_action: DELAY }
  priority_queue_policy { key: 1 value { max_queue_size: 9 allow_timeout_override: true } }
}
model_warmup [{
  name: "zeros" batch_size: 4 count: 3
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 2 ] random_data: true } }
}]
parameters { key: "a" value { string_value: "b" } }
"""

CONFIG = ModelConfig(
    max_batch_size=8,
    versions=VersionPolicy(latest=None, specific=(1, 3)),
    queue=QueuePolicy(size=5, timeout=0.007, delay=True, override=False),
    batching=Batching(
        preferred=(4, 8),
        delay=0.0015,
        levels=3,
        default_level=2,
        level_policies={1: QueuePolicy(size=9, timeout=0.0, delay=False, override=True)},
    ),
    instances=2,
    groups=(InstanceGroup("", "KIND_CPU", 2),),
    inputs=(TensorConfig("x", "FP32", (2,)),),
    outputs=(TensorConfig("y", "FP32", (2,), "labels.txt"),),
    warmup=(WarmupRequest("zeros", 4, {"x": WarmupInput("FP32", (2,), random=True)}, 3),),
    name="function",
    platform="python_function",
    backend="python",
    parameters={"a": "b"},
)


def test_everything_that_is_honoured_is_read():
    read = config_message.parse(FULL)
    assert read == CONFIG


def test_what_is_read_is_told_again(function_model):
    config = config_message.parse(FULL)
    changed = {
        name: getattr(config, name)
        for name in (
            "batching",
            "instances",
            "groups",
            "inputs",
            "outputs",
            "warmup",
            "versions",
            "parameters",
            "backend",
        )
    }
    model = function_model(None, queue=config.queue, **changed)
    message = config_message.from_loaded_model(model)
    assert (message.name, message.platform) == ("function", "python_function")
    again = config_message.to_model_config(message, states_batch=True)
    assert replace(again, name="", platform="") == replace(config, name="", platform="")


def test_an_empty_config_leaves_everything_to_the_model():
    assert config_message.parse("") == ModelConfig()


def test_no_batch_is_not_the_same_as_silence():
    assert config_message.parse("").max_batch_size is None
    assert config_message.parse("max_batch_size: 0").max_batch_size == 0
    assert config_message.parse('name: "a" max_batch_size: 0').max_batch_size == 0
    assert config_message.parse("# max_batch_size: 0").max_batch_size is None
    assert config_message.parse('name: "max_batch_size: \\" 0"').max_batch_size is None
    assert config_message.parse_json("{}").max_batch_size is None
    assert config_message.parse_json('{"max_batch_size": 0}').max_batch_size == 0


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", VersionPolicy(latest=1)),
        ("version_policy { latest { num_versions: 3 } }", VersionPolicy(latest=3)),
        ("version_policy { latest {} }", VersionPolicy(latest=1)),
        ("version_policy { all {} }", VersionPolicy(latest=None)),
        ("version_policy { specific { versions: 7 } }", VersionPolicy(latest=None, specific=(7,))),
    ],
)
def test_version_policies(text, policy):
    assert config_message.parse(text).versions == policy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense: 1", 'no field named "nonsense"'),
        ("max_batch_size: many", "not valid, at line:column 1:17"),
        ("max_batch_size: -1", "max_batch_size -1; say 0 or more"),
        ("sequence_batching {}", "'sequence_batching', which this server does not do"),
        ("ensemble_scheduling { step { model_name: 'x' } }", "'ensemble_scheduling'"),
        ("platform: 'ensemble'", "describes an ensemble, which this server does not serve"),
        ("instance_group { gpus: 0 }", "'instance_group.gpus'"),
        ("instance_group { kind: KIND_GPU }", "asks for a GPU; .* say KIND_CPU"),
        ("instance_group { count: 1 } instance_group { profile: 'a' }", "'instance_group.profile'"),
        ("input { name: 'x' optional: true }", "'input.optional'"),
        ("input { name: 'x' is_shape_tensor: true }", "'input.is_shape_tensor'"),
        ("input { name: 'x' } input { name: 'x' }", "declares an input twice: x, x"),
        ("input { name: 'x' format: FORMAT_NCHW dims: [ 1, 3, 2, 2 ] }", "FORMAT_NCHW .*an image has three"),
        ("input { name: 'x' format: 7 dims: [ 3, 2, 2 ] }", "the format 7, which does not exist"),
        ("instance_group { kind: 9 }", "the kind 9, which does not exist"),
        ("instance_group { count: -1 }", "a count below 0"),
        ("optimization { priority: PRIORITY_MAX }", "'optimization.priority'"),
        ("optimization { cuda { graphs: true } }", "'optimization.cuda'"),
        ("metric_tags { key: 'a' value: 'b' }", "'metric_tags'"),
        ("model_warmup { inputs { key: 'x' value { input_data_file: 'f' } } }", "input_data_file"),
        ("model_warmup { inputs { key: 'x' value { dims: -1 zero_data: true } } }", "must state every size"),
        ("model_transaction_policy { decoupled: true }", "decoupled answers"),
        ("response_cache { enable: true }", "response cache"),
        (
            "default_model_filename: 'net.onnx'",
            "calls the model's file 'net.onnx'; here it is one of model.onnx",
        ),
        ("version_policy { specific {} }", "names no version"),
        ("dynamic_batching { priority_levels: 2 }", "default_priority_level must be from 1 to 2"),
        ("dynamic_batching { priority_queue_policy { key: 1 value {} } }", "a level that does not exist"),
        ("dynamic_batching { preferred_batch_size: 0 }", "preferred_batch_size below 1"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(text, reason):
    with pytest.raises(ModelLoadError, match=reason):
        config_message.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "optimization { priority: PRIORITY_DEFAULT }",
        "response_cache { enable: false }",
        "model_transaction_policy {}",
        "\ufeff",
    ],
)
def test_what_changes_nothing_is_let_pass(text):
    assert config_message.parse(text) == ModelConfig()


def test_a_model_without_a_config_tells_that_it_is_batched(function_model):
    message = config_message.from_loaded_model(function_model(None))
    assert message.max_batch_size == 8
    assert message.HasField("dynamic_batching")
    assert [list(each.dims) for each in message.input] == [[2]]
    fixed = config_message.from_loaded_model(function_model(None, max_batch_size=0))
    assert not fixed.HasField("dynamic_batching")
    assert [list(each.dims) for each in fixed.input] == [[-1, 2]]


@pytest.mark.parametrize("field", ["input", "output"])
def test_a_datatype_that_does_not_exist_is_refused(field):
    with pytest.raises(ModelLoadError, match="data_type 63, which does not exist"):
        config_message.parse_json(f'{{"{field}": [{{"name": "x", "data_type": 63, "dims": [3]}}]}}')


@pytest.mark.parametrize(
    "text", ["[]", "null", "0", '"x"', "", "[" * 5000, '{"a":' * 5000, '{"max_batch_size": 1e400}']
)
def test_json_that_is_no_config_is_refused(text):
    with pytest.raises(ModelLoadError, match="the config that came is not valid"):
        config_message.parse_json(text)
