"""Requests to ModelInfer: every datatype and form of tensors, every kind of id, and everything that is refused."""

import numpy as np
from outcomes import Request

from protos import open_inference_pb2 as pb
from serving.datatypes import NUMPY, pack_bytes

METHOD = "/inference.GRPCInferenceService/ModelInfer"

NUMBERS = tuple(kind for kind in NUMPY if kind not in {"BYTES", "FP16", "BF16"})
"""The inputs of the model ``numbers``, one of each datatype that may be typed, named like it."""

FIELDS = {"BOOL": "bool", "INT64": "int64", "UINT64": "uint64", "FP32": "fp32", "FP64": "fp64"}
"""The lists of typed contents that are not ``int`` or ``uint``."""

IDS = {
    "of one letter": "a",
    "as long as a template takes": "7" * 127,
    "longer": "7" * 128,
    "of 300 letters": "x" * 300,
    "that is not ASCII": "ä",
    "that is long and not ASCII": "é" * 70,
    "with a line break": "a\nb\0c",
}

FLOATS = {
    "ordinary": (1.0, -2.0, 3.5),
    "others": (0.25, 1e30, -1e-30),
    "special": (float("nan"), float("-inf"), -0.0),
}


def affine(*x: float, model: str = "affine", rows: int = 1, **fields: object) -> pb.ModelInferRequest:
    """A request to a model like affine, with raw contents."""
    array = np.resize(np.float32(x or (1, 2, 3)), (rows, 3))
    made = pb.ModelInferRequest(model_name=model, raw_input_contents=[array.tobytes()], **fields)
    made.inputs.add(name="x", datatype="FP32", shape=[rows, 3])
    return made


def infer_requests() -> dict[str, Request]:
    """All of them, by what is special about each."""
    made = {**_floats(), **_ids(), **_forms(), **_options(), **_refused()}
    requests = {name: Request(METHOD, message.SerializeToString()) for name, message in made.items()}
    return requests | {name: Request(METHOD, data) for name, data in _bytes().items()}


def near_equals() -> dict[str, Request]:
    """Requests whose bytes are nearly equal: for other models, with and without an id, one byte differs."""
    other_version = affine(model_version="1")
    made = {
        "affine": affine(),
        "affine, other numbers": affine(7, 8, 9),
        "affin2": affine(model="affin2"),
        "missing": affine(model="affinx"),
        "with an id": affine(id="q"),
        "with another id": affine(id="rs"),
        "with a version": other_version,
        "with no such version": affine(model_version="8"),
    }
    for what, change in {
        "another input": {"name": "z"},
        "another datatype": {"datatype": "FP33"},
        "other sizes": {"shape": [1, 4]},
        "other sizes for as many bytes": {"shape": [3, 1]},
    }.items():
        changed = made[what] = affine()
        kept = {"name": "x", "datatype": "FP32", "shape": [1, 3]} | change
        changed.inputs[0].CopyFrom(pb.ModelInferRequest.InferInputTensor(**kept))
    return {name: Request(METHOD, message.SerializeToString()) for name, message in made.items()}


def _floats() -> dict[str, pb.ModelInferRequest]:
    made = {f"{name} numbers": affine(*x) for name, x in FLOATS.items()}
    return made | {f"{rows} rows": affine(1, 2, 3, 4, rows=rows) for rows in (0, 2, 8, 9)}


def _ids() -> dict[str, pb.ModelInferRequest]:
    made = {f"an id {what}": affine(id=text) for what, text in IDS.items()}
    made["an id that failed"] = affine(id="failed", model_version="7")
    return made


def _forms() -> dict[str, pb.ModelInferRequest]:
    """Every datatype, raw and typed; outputs that are chosen."""
    arrays = {kind: np.array([[0, 1]]).astype(NUMPY[kind]) for kind in NUMBERS}
    raw, typed = pb.ModelInferRequest(model_name="numbers"), pb.ModelInferRequest(model_name="numbers")
    mixed = pb.ModelInferRequest(model_name="numbers")
    for kind, array in arrays.items():
        raw.inputs.add(name=kind, datatype=kind, shape=[1, 2])
        raw.raw_input_contents.append(array.tobytes())
        for message in (typed, mixed):
            contents = message.inputs.add(name=kind, datatype=kind, shape=[1, 2]).contents
            field = FIELDS.get(kind, "uint" if kind.startswith("U") else "int")
            getattr(contents, f"{field}_contents").extend([0, 1])
    mixed.raw_input_contents.append(b"\0\0")
    chosen = pb.ModelInferRequest.FromString(raw.SerializeToString())
    for kind in ("FP64", "INT8"):
        chosen.outputs.add(name=f"{kind}_back")
    truths = pb.ModelInferRequest.FromString(chosen.SerializeToString())
    truths.raw_input_contents[NUMBERS.index("BOOL")] = b"\x02\xff"
    truths.outputs.add(name="BOOL_back")
    made = {
        "all datatypes": raw,
        "all datatypes, typed": typed,
        "typed and raw": mixed,
        "chosen outputs": chosen,
        "bytes that are true": truths,
        "typed floats": _typed([1.5, float("nan"), -3]),
        "typed floats, fewer": _typed([1.5]),
        "typed floats, more": _typed([1.5] * 4),
        "a thousand typed floats too many": _typed([0.5] * 1000),
    }
    text = np.array([[b"a", b""], [b"long" * 50, "ä".encode()]], np.object_)
    listed = pb.ModelInferRequest(model_name="text", id="t")
    listed.inputs.add(name="x", datatype="BYTES", shape=[2, 2]).contents.bytes_contents.extend(text.ravel())
    packed = pb.ModelInferRequest(model_name="text", raw_input_contents=[pack_bytes(text)])
    packed.inputs.add(name="x", datatype="BYTES", shape=[2, 2])
    torn = pb.ModelInferRequest.FromString(packed.SerializeToString())
    torn.raw_input_contents[0] = torn.raw_input_contents[0][:-1]
    made |= {"listed text": listed, "text": packed, "torn text": torn}
    for kind in ("FP16", "BF16"):
        short = made[kind] = pb.ModelInferRequest(model_name=kind, raw_input_contents=[b"\x80\x3f\x00\x40"])
        short.inputs.add(name="x", datatype=kind, shape=[1, 2])
        listed = made[f"{kind}, typed"] = pb.ModelInferRequest(model_name=kind)
        listed.inputs.add(name="x", datatype=kind, shape=[1, 2]).contents.fp32_contents.extend([1, 2])
    return made


def _typed(values: list[float]) -> pb.ModelInferRequest:
    made = pb.ModelInferRequest(model_name="affine", id="typed")
    made.inputs.add(name="x", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend(values)
    return made


def _options() -> dict[str, pb.ModelInferRequest]:
    """Parameters and outputs."""
    made = {}
    for name, kind, value in (
        ("priority", "uint64_param", 2),
        ("priority", "string_param", "high"),
        ("timeout", "int64_param", 60_000_000),
        ("timeout", "int64_param", -1),
        ("sequence_id", "int64_param", 5),
        ("of nobody", "double_param", 0.5),
    ):
        message = made[f"the parameter {name} as {kind} {value}"] = affine()
        setattr(message.parameters[name], kind, value)
    for classes in (0, 1, 2, 9):
        message = made[f"{classes} classes"] = affine()
        message.outputs.add(name="y").parameters["classification"].int64_param = classes
    for what, names in {
        "the output": ("y",),
        "the output twice": ("y", "y"),
        "another output": ("z",),
    }.items():
        message = made[what] = affine()
        for name in names:
            message.outputs.add(name=name)
    shared = made["shared memory"] = affine()
    shared.inputs[0].parameters["shared_memory_region"].string_param = "r"
    return made


def _refused() -> dict[str, pb.ModelInferRequest]:
    """Names, shapes and lengths that are wrong, and what the model itself fails on."""
    made = {
        "no model": affine(model="none"),
        "no name": affine(model=""),
        "a name of 9000 letters": affine(model="m" * 9000),
        "a broken model": affine(model="broken"),
        "no version": affine(model_version="9"),
        "a version that is no number": affine(model_version="first"),
    }
    for what, change in {
        "a name that is not ASCII": {"name": "ü"},
        "an input unnamed": {"name": ""},
        "a datatype that does not exist": {"datatype": "FP8"},
        "the wrong datatype": {"datatype": "INT32"},
        "no sizes": {"shape": []},
        "a size too many": {"shape": [1, 3, 1]},
        "a negative size": {"shape": [-1, 3]},
        "sizes beyond counting": {"shape": [1 << 62, 3]},
    }.items():
        message = made[what] = affine()
        kept = {"name": "x", "datatype": "FP32", "shape": [1, 3]} | change
        message.inputs[0].CopyFrom(pb.ModelInferRequest.InferInputTensor(**kept))
    for what, raw in {
        "no contents": [],
        "a byte too few": [bytes(11)],
        "a byte too many": [bytes(13)],
        "contents twice": [bytes(12)] * 2,
        "empty contents": [b""],
    }.items():
        message = made[what] = affine()
        del message.raw_input_contents[:]
        message.raw_input_contents.extend(raw)
    twice = made["an input twice"] = affine()
    twice.inputs.append(twice.inputs[0])
    twice.raw_input_contents.append(bytes(12))
    for number in (3, 99):
        lookup = made[f"row {number}"] = pb.ModelInferRequest(
            model_name="lookup", raw_input_contents=[np.int64(number).tobytes()]
        )
        lookup.inputs.add(name="ids", datatype="INT64", shape=[1])
    return made


def _bytes() -> dict[str, bytes]:
    """Messages that no client writes."""
    data = affine(id="odd").SerializeToString()
    return {
        "nothing": b"",
        "no protobuf": b"\xff" * 40,
        "a message cut off": data[:-3],
        "an unknown field behind": data + b"\x78\x01",
        "an id behind": data + b"\x1a\x03odd",
        "an id twice": data.replace(b"\x1a\x03odd", b"\x1a\x03odd\x1a\x03two"),
        "an id of no bytes": data.replace(b"\x1a\x03odd", b"\x1a\x00"),
        "a long form of a length": data.replace(b"\x1a\x03odd", b"\x1a\x83\x00odd"),
        "an id that is not UTF-8": data.replace(b"odd", b"o\xffd"),
        "a model that is not UTF-8": data.replace(b"affine", b"aff\xffne"),
    }
