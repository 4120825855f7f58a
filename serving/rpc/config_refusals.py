"""What a config may not ask for.

A field that this server does not honour is refused by its name: a model that is served otherwise than its config
says would answer wrongly without anyone knowing.
"""

from collections.abc import Iterator

from google.protobuf.message import Message

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError
from serving.runtimes import ARTEFACTS

HONOURED = """
    name platform backend version_policy max_batch_size default_model_filename parameters
    input.name input.data_type input.dims input.format
    output.name output.data_type output.dims output.label_filename
    dynamic_batching
    instance_group.name instance_group.kind instance_group.count
    model_warmup.name model_warmup.batch_size model_warmup.count
    model_warmup.inputs.value.data_type model_warmup.inputs.value.dims
    model_warmup.inputs.value.zero_data model_warmup.inputs.value.random_data
    optimization.priority optimization.input_pinned_memory optimization.output_pinned_memory
    model_transaction_policy response_cache
""".split()
"""Fields that may be set; one that holds others may be set with all of them. Pinned memory is a GPU's affair."""


def check(message: pb.ModelConfig) -> None:
    """Refuse a config that asks for something this server does not do.

    Raises:
        ModelLoadError: It does; the text names the field.
    """
    refused = next((path for path in _set_fields(message) if not _honoured(path)), None)
    if refused is not None:
        raise ModelLoadError(f"its config sets '{refused}', which this server does not do; remove it")
    if message.platform == "ensemble":
        raise ModelLoadError(
            "its config describes an ensemble, which this server does not serve; "
            "serve its models by themselves and have clients call one after the other"
        )
    if message.model_transaction_policy.decoupled:
        raise ModelLoadError("its config asks for decoupled answers, which this server does not give")
    if message.response_cache.enable:
        raise ModelLoadError("its config asks for a response cache, which this server does not have")
    if any(group.kind == pb.ModelInstanceGroup.KIND_GPU for group in message.instance_group):
        raise ModelLoadError("its config asks for a GPU; this server runs models on the CPU, say KIND_CPU")
    if message.default_model_filename and message.default_model_filename not in ARTEFACTS:
        raise ModelLoadError(
            f"its config calls the model's file '{message.default_model_filename}'; "
            f"here it is one of {', '.join(ARTEFACTS)}"
        )
    if message.max_batch_size < 0:
        raise ModelLoadError(f"its config says max_batch_size {message.max_batch_size}; say 0 or more")


def _set_fields(message: Message, above: str = "") -> Iterator[str]:
    """The dotted paths of all fields that are set, those that hold others left out if those are looked at."""
    for field, value in message.ListFields():
        path = f"{above}{field.name}"
        if _honoured(path) or field.message_type is None:
            yield path
            continue
        entries = field.message_type.GetOptions().map_entry
        if entries:
            held = [each for each in value.values() if isinstance(each, Message)]
            path = f"{path}.value"
        else:
            held = list(value) if field.is_repeated else [value]
        if not any(name.startswith(f"{path}.") for name in HONOURED):
            yield path.removesuffix(".value")
            continue
        for each in held:
            yield from _set_fields(each, f"{path}.")


def _honoured(path: str) -> bool:
    return path in HONOURED
