"""Converts between ``inference.ModelConfig``, as a message, ``config.pbtxt`` or JSON, and our own ModelConfig."""

import json
import re
from typing import Any

from google.protobuf import json_format, text_format

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError
from serving.repository.config import UNSTATED, InstanceGroup, ModelConfig, VersionPolicy
from serving.repository.model import LoadedModel
from serving.services.open_inference import config_batching, config_limits, config_tensors, config_warmup
from serving.services.open_inference.config_support import check

BYTE_ORDER_MARK = "\ufeff"
"""Some editors write it at the beginning of a text."""

PINNED = ("input_pinned_memory", "output_pinned_memory")

_NOT_FIELDS = re.compile(r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \#[^\n]* """, re.VERBOSE)
"""Strings and comments of the text format."""


def parse(text: str) -> ModelConfig:
    """Parse a ``config.pbtxt``.

    Raises:
        ModelLoadError: It is not valid, or asks for something that this server does not do.
    """
    message = pb.ModelConfig()
    text = text.removeprefix(BYTE_ORDER_MARK)
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise ModelLoadError(f"config.pbtxt is not valid, at line:column {error}") from error
    # In the message, a number of 0 cannot be told from an absent one. To its author they differ.
    return to_model_config(message, states_batch="max_batch_size" in _NOT_FIELDS.sub("", text))


def parse_json(text: str) -> ModelConfig:
    """Parse a config in JSON, which a client sends with a load.

    Raises:
        ModelLoadError: It is not valid, or asks for something that this server does not do.
    """
    message = pb.ModelConfig()
    text = text.removeprefix(BYTE_ORDER_MARK)
    try:
        json_format.Parse(text, message)
    except json_format.ParseError as error:
        raise ModelLoadError(f"the config that came is not valid: {error}") from error
    states = json.loads(text)
    if not isinstance(states, dict):
        # protobuf accepts an empty list as an empty message.
        raise ModelLoadError("the config that came is not valid: it is no JSON object")
    return to_model_config(message, states_batch="max_batch_size" in states or "maxBatchSize" in states)


def to_model_config(message: pb.ModelConfig, *, states_batch: bool) -> ModelConfig:
    """Convert a message to our own config.

    Args:
        message: The message.
        states_batch: Whether a ``max_batch_size`` of 0 was written, and is not just absent.

    Raises:
        ModelLoadError: It asks for something that this server does not do.
    """
    check(message)
    config_limits.check(message)
    batching = message.dynamic_batching if message.HasField("dynamic_batching") else None
    policy = batching.default_queue_policy if batching and batching.HasField("default_queue_policy") else None
    return ModelConfig(
        max_batch_size=message.max_batch_size if message.max_batch_size or states_batch else None,
        versions=_to_versions(message.version_policy),
        queue=UNSTATED if policy is None else config_batching.to_queue_policy(policy),
        batching=None if batching is None else config_batching.to_batching(batching),
        instances=sum(max(1, group.count) for group in message.instance_group) or 1,
        groups=tuple(_to_group(each) for each in message.instance_group),
        inputs=config_tensors.to_tensors("input", message.input),
        outputs=config_tensors.to_tensors("output", message.output),
        warmup=tuple(config_warmup.to_warmup(each) for each in message.model_warmup),
        name=message.name,
        platform=message.platform,
        backend=message.backend,
        parameters={name: each.string_value for name, each in message.parameters.items()},
        graph_level=message.optimization.graph.level,
        pinned={
            name: getattr(message.optimization, name).enable
            for name in PINNED
            if message.optimization.HasField(name)
        },
        filename=message.default_model_filename,
    )


def from_loaded_model(model: LoadedModel) -> pb.ModelConfig:
    """The config of a model, with all derived values, as a message."""
    config = model.config
    message = pb.ModelConfig(
        name=model.name,
        platform=model.runtime.platform,
        backend=config.backend,
        max_batch_size=model.max_batch_size,
        version_policy=_from_versions(config.versions),
        default_model_filename=config.filename,
        input=config_tensors.from_inputs(model),
        output=config_tensors.from_outputs(model),
        instance_group=_from_groups(config, model.name),
        optimization=_from_optimization(config),
        model_warmup=[config_warmup.from_warmup(each) for each in config.warmup],
        parameters={name: pb.ModelParameter(string_value=value) for name, value in config.parameters.items()},
    )
    if config.batching is not None:
        message.dynamic_batching.CopyFrom(config_batching.from_batching(config.batching, config.queue))
    elif model.batching_permission.granted:
        # The converter proved that requests that gather while the model runs may share the next run.
        message.dynamic_batching.SetInParent()
    return message


def _to_group(message: pb.ModelInstanceGroup) -> InstanceGroup:
    kind = pb.ModelInstanceGroup
    # As in Triton without a GPU.
    chosen = kind.KIND_CPU if message.kind == kind.KIND_AUTO else message.kind
    return InstanceGroup(message.name, kind.Kind.Name(chosen), max(1, message.count))


def _from_groups(config: ModelConfig, name: str) -> list[pb.ModelInstanceGroup]:
    kind = pb.ModelInstanceGroup
    groups = config.groups or (InstanceGroup(name, "KIND_CPU", config.instances),)
    return [kind(name=each.name, kind=each.kind, count=each.count) for each in groups]


def _from_optimization(config: ModelConfig) -> pb.ModelOptimizationPolicy | None:
    kind = pb.ModelOptimizationPolicy
    if not (config.graph_level or config.pinned):
        return None
    graph = kind.Graph(level=config.graph_level) if config.graph_level else None
    pinned: dict[str, Any] = {
        name: kind.PinnedMemoryBuffer(enable=enable) for name, enable in config.pinned.items()
    }
    return kind(graph=graph, **pinned)


def _to_versions(message: pb.ModelVersionPolicy) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=None)
    if choice == "specific":
        if not message.specific.versions or min(message.specific.versions) < 0:
            raise ModelLoadError("its config's version_policy names no version, or one below 0")
        return VersionPolicy(latest=None, specific=tuple(message.specific.versions))
    return VersionPolicy(latest=max(1, message.latest.num_versions))


def _from_versions(policy: VersionPolicy) -> pb.ModelVersionPolicy:
    kind = pb.ModelVersionPolicy
    if policy.specific:
        return kind(specific=kind.Specific(versions=policy.specific))
    if policy.latest is None:
        return kind(all=kind.All())
    return kind(latest=kind.Latest(num_versions=policy.latest))
