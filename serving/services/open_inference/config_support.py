"""Defines which fields of a config are supported, and refuses all others.

Every field of Triton's ``ModelConfig`` is in one of two tables. A supported field has its effect and is returned by
ModelConfig. Any other field is refused by its name: a model that is not served as its config says would give wrong
answers without anyone noticing.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError
from serving.runtimes import ARTEFACTS

QUEUE_POLICY = ("timeout_action", "default_timeout_microseconds", "allow_timeout_override", "max_queue_size")

SUPPORTED = frozenset(
    """
    name platform backend max_batch_size default_model_filename parameters.value.string_value
    version_policy.latest.num_versions version_policy.all version_policy.specific.versions
    input.name input.data_type input.dims input.format input.reshape.shape
    output.name output.data_type output.dims output.label_filename output.reshape.shape
    dynamic_batching.preferred_batch_size dynamic_batching.max_queue_delay_microseconds
    dynamic_batching.preserve_ordering
    dynamic_batching.priority_levels dynamic_batching.default_priority_level
    instance_group.name instance_group.kind instance_group.count
    model_warmup.name model_warmup.batch_size model_warmup.count
    model_warmup.inputs.value.data_type model_warmup.inputs.value.dims
    model_warmup.inputs.value.zero_data model_warmup.inputs.value.random_data
    optimization.graph.level
    optimization.input_pinned_memory.enable optimization.output_pinned_memory.enable
    """.split()
) | {
    f"dynamic_batching.{policy}.{field}"
    for policy in ("default_queue_policy", "priority_queue_policy.value")
    for field in QUEUE_POLICY
}
"""Fields that may be set, by their paths."""

UNSUPPORTED = {
    "runtime": "what the model's file is called decides",
    "batch_input": "no model here takes what was made of a batch",
    "batch_output": "no model here takes what was made of a batch",
    "input.is_shape_tensor": "that is TensorRT's affair",
    "input.allow_ragged_batch": "requests of different sizes run by themselves",
    "input.optional": "a model here needs all its inputs",
    "input.is_non_linear_format_io": "that is TensorRT's affair",
    "output.is_shape_tensor": "that is TensorRT's affair",
    "output.is_non_linear_format_io": "that is TensorRT's affair",
    "optimization.priority": "models share the processors alike",
    "optimization.cuda": "models run on the CPU",
    "optimization.execution_accelerators": "models run on the CPU, by their format's own runtime",
    "optimization.gather_kernel_buffer_threshold": "models run on the CPU",
    "optimization.eager_batching": "a batch is put together when it runs",
    "sequence_batching": "nothing is kept between requests",
    "ensemble_scheduling": "a model is one file",
    "instance_group.rate_limiter": "instances wait for nothing but their queue",
    "instance_group.gpus": "models run on the CPU",
    "instance_group.secondary_devices": "models run on the CPU",
    "instance_group.profile": "that is TensorRT's affair",
    "instance_group.passive": "an instance is there to run",
    "instance_group.host_policy": "all instances run on the processors that the server may use",
    "cc_model_filenames": "models run on the CPU, whichever it is",
    "metric_tags": "metrics have the labels of the model and its version",
    "model_warmup.inputs.value.input_data_file": "say zero_data or random_data",
    "model_operations": "no library is loaded for a model",
    "model_transaction_policy.decoupled": "there are no decoupled answers, each request has one",
    "model_repository_agents": "no other program prepares a model",
    "response_cache.enable": "there is no response cache, each request runs",
    "model_metrics": "all models have the same metrics",
}
"""Fields that may not be set, nor any field in them, with the reason."""

_ALLOWED = SUPPORTED | (
    {
        above
        for path in SUPPORTED | UNSUPPORTED.keys()
        for above in accumulate(path.split(".")[:-1], "{}.{}".format)
    }
)
"""The supported fields, and the messages that contain fields, which by themselves ask for nothing."""


def check(message: pb.ModelConfig) -> None:
    """Refuse a config that asks for something that this server does not do.

    Raises:
        ModelLoadError: The config does; the text names the field.
    """
    if message.platform == "ensemble":
        raise ModelLoadError(
            "its config describes an ensemble, which this server does not serve; "
            "serve its models by themselves and have clients call one after the other"
        )
    for path, field, value in _set_fields(message):
        if path not in _ALLOWED:
            why = f": {UNSUPPORTED[path]}" if path in UNSUPPORTED else ""
            raise ModelLoadError(f"its config sets '{path}', which this server does not do{why}; remove it")
        if field.enum_type is not None and value not in field.enum_type.values_by_number:
            raise ModelLoadError(f"its config has the {field.name} {value}, which does not exist")
    if any(group.kind == pb.ModelInstanceGroup.KIND_GPU for group in message.instance_group):
        raise ModelLoadError(
            "its config's instance_group asks for a GPU; this server runs models on the CPU, say KIND_CPU"
        )
    if any(group.count < 0 for group in message.instance_group):
        raise ModelLoadError("its config has an instance_group with a count below 0")
    if message.default_model_filename and message.default_model_filename not in ARTEFACTS:
        raise ModelLoadError(
            f"its default_model_filename calls the model's file '{message.default_model_filename}'; "
            f"here it is one of {', '.join(ARTEFACTS)}"
        )
    if message.max_batch_size < 0:
        raise ModelLoadError(f"its config says max_batch_size {message.max_batch_size}; say 0 or more")


def _set_fields(message: Message, above: str = "") -> Iterator[tuple[str, FieldDescriptor, Any]]:
    """All fields that are set, with their paths; each before the fields in it."""
    for field, value in message.ListFields():
        path = f"{above}{field.name}"
        yield path, field, value
        for held, inner in _held(path, field, value):
            yield from _set_fields(inner, f"{held}.")


def _held(path: str, field: FieldDescriptor, value: Any) -> list[tuple[str, Message]]:  # noqa: ANN401  whatever it is
    """The messages in a field, with their paths."""
    if field.message_type is None:
        return []
    if field.message_type.GetOptions().map_entry:
        return [(f"{path}.value", each) for each in value.values() if isinstance(each, Message)]
    return [(path, each) for each in (value if field.is_repeated else [value])]
