"""Which operators an ONNX file has, read from its bytes: the library that runs it does not say.

Of protobuf's wire form this much is needed: a field is a tag and a value, the tag is a number and a kind, and what is
itself a message has its length before it. All but the following is skipped, weights too.

    ModelProto.graph = 7, .functions = 25     GraphProto.node = 1     FunctionProto.node = 7
    NodeProto.op_type = 4, .attribute = 5, .domain = 7     AttributeProto.g = 6, .graphs = 11
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from serving.varint import read_number

UNKNOWN = "?"
"""What stands for the operators of a file that cannot be read so."""

EMPTY_PROOF = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip
    Compress Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace Div Dropout Elu Equal Erf
    Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul Max MaxPool Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow Range Reciprocal ReduceL1
    ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Resize Round Scan ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax
    Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
    Unsqueeze Where Xor
    """.split()
)
"""Operators that onnxruntime survives on tensors without elements: each was tried with a 0 in every place.

Others end the process, by SIGABRT, SIGFPE or SIGSEGV: Unique, Einsum, LSTM, GRU, an Add that was quantised.
"""

_HOLDS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {6: "graph", 11: "graph"},
}

_OP_TYPE, _DOMAIN = 4, 7

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def operators(path: Path) -> frozenset[str]:
    """The operators of a file and of the graphs in its attributes; of other domains as ``domain.operator``.

    Args:
        path: The file.

    Returns:
        The operators; :data:`UNKNOWN` alone if it cannot be read.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return frozenset(_operators(content))
    except (ValueError, IndexError):
        return frozenset({UNKNOWN})


def _operators(content: mmap.mmap) -> Iterator[str]:
    within = [("model", 0, len(content))]
    while within:
        kind, start, end = within.pop()
        texts = {_OP_TYPE: "", _DOMAIN: ""}
        for number, at, until in _fields(content, start, end):
            if number in _HOLDS[kind]:
                within.append((_HOLDS[kind][number], at, until))
            elif kind == "node" and number in texts:
                texts[number] = content[at:until].decode()
        if kind == "node":
            domain = texts[_DOMAIN].removeprefix("ai.onnx")
            yield f"{domain}.{texts[_OP_TYPE]}" if domain else texts[_OP_TYPE]


def _fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message that have a length: their number, where each begins and where it ends."""
    while at < end:
        tag, at = read_number(content, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = read_number(content, at)
            yield tag >> 3, at, at + length
            at += length
        elif kind == _VARINT:
            _, at = read_number(content, at)
        elif kind in (_FOUR_BYTES, _EIGHT_BYTES):
            at += 4 if kind == _FOUR_BYTES else 8
        else:
            raise ValueError("no such kind of field")
    if at != end:
        raise ValueError("a field reaches beyond its message")
