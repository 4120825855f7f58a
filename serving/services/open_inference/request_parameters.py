"""Reads the parameters of requests and of their tensors.

Unknown parameters are ignored, as the protocol requires. A known parameter with an invalid value is refused.
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
class TensorLocation:
    """Where a tensor is in shared memory.

    Attributes:
        region: The region's name.
        offset: Where in the region the tensor begins.
        size: The bytes reserved for it.
    """

    region: str
    offset: int
    size: int


def priority(parameters: Parameters) -> int:
    """The priority of a request, 1 being the highest; 0 if it has none."""
    return _non_negative(parameters, "priority")


def timeout(parameters: Parameters) -> float:
    """Seconds that a request may wait in the queue; 0 if it has no timeout. The parameter is in microseconds."""
    return _non_negative(parameters, "timeout") * 1e-6


def refuse_sequences(parameters: Parameters) -> None:
    """Refuse a request that belongs to a sequence.

    Raises:
        UnsupportedError: The request belongs to a sequence.
    """
    sequence = parameters.get("sequence_id")
    if sequence is not None and (sequence.int64_param or sequence.uint64_param or sequence.string_param):
        raise UnsupportedError(
            "this server keeps nothing between requests and takes no sequence_id; send each request by itself"
        )


def location(parameters: Parameters) -> TensorLocation | None:
    """Where a tensor is in shared memory; None if it is not there.

    Raises:
        InvalidInputError: The location is incomplete.
    """
    region = parameters[REGION].string_param if REGION in parameters else ""
    if not region:
        return None
    if SIZE not in parameters:
        raise InvalidInputError(f"a tensor in the region '{region}' needs the parameter {SIZE}")
    return TensorLocation(region, _non_negative(parameters, OFFSET), _non_negative(parameters, SIZE))


def locations(tensors: Iterable[Tensor]) -> list[TensorLocation]:
    """The locations of those tensors that are in shared memory.

    Raises:
        InvalidInputError: A location is incomplete.
    """
    found = [location(each.parameters) for each in tensors if each.parameters]
    return [each for each in found if each is not None]


def write_location(
    parameters: MutableMapping[str, pb.InferParameter], location: TensorLocation, size: int
) -> None:
    """Write the location of a tensor of ``size`` bytes; :func:`location` reads it."""
    parameters[REGION].string_param = location.region
    parameters[OFFSET].int64_param = location.offset
    parameters[SIZE].int64_param = size


def classes(outputs: Iterable[pb.ModelInferRequest.InferRequestedOutputTensor]) -> dict[str, int]:
    """How many of the highest values are requested, by output.

    Raises:
        InvalidInputError: The number is less than 1.
    """
    wanted: dict[str, int] = {}
    for each in outputs:
        if CLASSIFICATION in each.parameters:
            wanted[each.name] = _non_negative(each.parameters, CLASSIFICATION)
            if not wanted[each.name]:
                raise InvalidInputError(f"output '{each.name}': {CLASSIFICATION} must be 1 or more")
    return wanted


def _non_negative(parameters: Parameters, name: str) -> int:
    """A non-negative integer parameter of either integer type; 0 if it is absent."""
    if name not in parameters:
        return 0
    parameter = parameters[name]
    kind = parameter.WhichOneof("parameter_choice")
    if kind not in {"int64_param", "uint64_param"} or getattr(parameter, kind) < 0:
        raise InvalidInputError(f"the parameter '{name}' must be a whole number from 0, as int64 or uint64")
    return int(getattr(parameter, kind))
