"""The parameters of requests and of their tensors: names, types, and what they mean.

A parameter that nobody here knows is left alone, as the protocol wants it; one that is known and has a value that
makes no sense is refused.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from protos import open_inference_pb2 as pb
from serving.errors import InvalidInputError, UnsupportedError

REGION = "shared_memory_region"
OFFSET = "shared_memory_offset"
SIZE = "shared_memory_byte_size"
CLASSIFICATION = "classification"

Parameters = Mapping[str, pb.InferParameter]

Tensor = pb.ModelInferRequest.InferInputTensor | pb.ModelInferRequest.InferRequestedOutputTensor


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies in shared memory.

    Attributes:
        region: The region's name.
        offset: Where in it the tensor begins.
        size: The bytes set aside for it.
    """

    region: str
    offset: int
    size: int


def priority(parameters: Parameters) -> int:
    """How urgent a request is, 1 being the most; 0 if it does not say."""
    return _whole(parameters, "priority")


def timeout(parameters: Parameters) -> float:
    """Seconds that a request may wait; 0 if it does not say. The parameter counts microseconds."""
    return _whole(parameters, "timeout") * 1e-6


def refuse_sequences(parameters: Parameters) -> None:
    """Refuse a request that is a part of a sequence.

    Raises:
        UnsupportedError: It is.
    """
    sequence = parameters.get("sequence_id")
    if sequence is not None and (sequence.int64_param or sequence.uint64_param or sequence.string_param):
        raise UnsupportedError(
            "this server keeps nothing between requests and takes no sequence_id; send each request by itself"
        )


def place(parameters: Parameters) -> Place | None:
    """Where a tensor lies in shared memory; None if it does not.

    Raises:
        InvalidInputError: The place is not wholly described.
    """
    region = parameters[REGION].string_param if REGION in parameters else ""
    if not region:
        return None
    if SIZE not in parameters:
        raise InvalidInputError(f"a tensor in the region '{region}' needs the parameter {SIZE}")
    return Place(region, _whole(parameters, OFFSET), _whole(parameters, SIZE))


def places(tensors: Iterable[Tensor]) -> list[Place]:
    """Where those of the tensors lie that lie in shared memory.

    Raises:
        InvalidInputError: A place is not wholly described.
    """
    found = [place(each.parameters) for each in tensors if each.parameters]
    return [each for each in found if each is not None]


def write_place(parameters: MutableMapping[str, pb.InferParameter], place: Place, size: int) -> None:
    """Say where a tensor of ``size`` bytes was put; :func:`place` reads it."""
    parameters[REGION].string_param = place.region
    parameters[OFFSET].int64_param = place.offset
    parameters[SIZE].int64_param = size


def classes(outputs: Iterable[pb.ModelInferRequest.InferRequestedOutputTensor]) -> dict[str, int]:
    """How many of the highest values are wanted of which outputs.

    Raises:
        InvalidInputError: Of an output none is, or fewer.
    """
    wanted: dict[str, int] = {}
    for each in outputs:
        if CLASSIFICATION in each.parameters:
            wanted[each.name] = _whole(each.parameters, CLASSIFICATION)
            if not wanted[each.name]:
                raise InvalidInputError(f"output '{each.name}': {CLASSIFICATION} must be 1 or more")
    return wanted


def _whole(parameters: Parameters, name: str) -> int:
    """A number from 0, whichever integer type it came in; 0 if it did not come."""
    if name not in parameters:
        return 0
    parameter = parameters[name]
    kind = parameter.WhichOneof("parameter_choice")
    if kind not in {"int64_param", "uint64_param"} or getattr(parameter, kind) < 0:
        raise InvalidInputError(f"the parameter '{name}' must be a whole number from 0, as int64 or uint64")
    return int(getattr(parameter, kind))
