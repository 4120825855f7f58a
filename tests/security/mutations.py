"""Model files made from other model files by one to three changes: bytes, JSON, HDF5 and marshalled code."""

import base64
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np

_NUMBERS = [0, 1, -1, 2, 3, 64, 255, 2**31 - 1, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e308, float("nan")]
_TEXTS = [
    "",
    "x",
    "..",
    "/etc/passwd",
    "relu",
    "__lambda__",
    "function",
    "Lambda",
    "\x1b[31m",
    "[/]",
    "é" * 300,
]
_OTHERS = [None, True, False, [], {}, [[]], [None, 4], {"class_name": "Dense", "config": {}}]
_CLASSES = (
    "Dense Lambda Sequential Functional InputLayer TFSMLayer StringLookup PSSLayer RationalSSLayer LSTM "
    "Bidirectional TimeDistributed Conv2D Reshape Rescaling Activation BatchNormalization Embedding"
).split()
_KEYS = (
    "activation function alpha a b units config class_name registered_name module layers name dtype "
    "inbound_nodes input_layers output_layers batch_shape arguments cell layer build_config"
).split()


@dataclass(frozen=True)
class Seed:
    """A model in its parts: its description, its HDF5 bytes, and whether they go into a zip."""

    config: Any
    weights: bytes
    zipped: bool
    metadata: bytes = b'{"keras_version": "3.15.1"}'

    def whole(self) -> bytes:
        """The file's bytes."""
        text = json.dumps(self.config)
        if not self.zipped:
            return _with_config(self.weights, text)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for member, data in (
                ("metadata.json", self.metadata),
                ("config.json", text.encode()),
                ("model.weights.h5", self.weights),
            ):
                archive.writestr(member, data)
        return made.getvalue()


def read_seed(data: bytes) -> Seed:
    """Take a good file apart."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            config = json.loads(archive.read("config.json"))
            return Seed(config, archive.read("model.weights.h5"), zipped=True)
    with h5py.File(io.BytesIO(data)) as file:
        return Seed(json.loads(file.attrs["model_config"]), data, zipped=False)


def mutated(seed: Seed, chance: random.Random) -> bytes:
    """A file that differs from a good one in one to three places."""
    for _ in range(chance.choice((0, 1, 1, 2))):
        seed = chance.choice((_in_config, _in_config, _in_weights, _in_code))(seed, chance)
    data = seed.whole()
    if chance.random() < 0.4:
        data = _in_bytes(data, chance)
    return data


def _in_config(seed: Seed, chance: random.Random) -> Seed:
    config = json.loads(json.dumps(seed.config))
    places = list(_places(config))
    holder, key = chance.choice(places)
    _change(holder, key, chance.choice(places), chance)
    return replace(seed, config=config)


def _change(holder: Any, key: Any, other: tuple[Any, Any], chance: random.Random) -> None:
    kind = chance.randrange(6)
    if kind == 0 and isinstance(holder, dict):
        holder[chance.choice(_KEYS)] = holder.pop(key)
    elif kind == 1:
        del holder[key]
    elif kind == 2:
        holder[key] = json.loads(json.dumps(other[0][other[1]]))
    elif kind == 3 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    else:
        pools = (_NUMBERS, _TEXTS, _OTHERS, _CLASSES)
        holder[key] = chance.choice(chance.choice(pools))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _in_code(seed: Seed, chance: random.Random) -> Seed:
    config = json.loads(json.dumps(seed.config))
    found = [(holder, key) for holder, key in _places(config) if key == "code"]
    if not found:
        return _in_config(seed, chance)
    holder, key = chance.choice(found)
    code = _in_bytes(_bytes_of(holder[key]), chance)
    holder[key] = base64.b64encode(code).decode()
    return replace(seed, config=config)


def _bytes_of(code: object) -> bytes:
    try:
        return base64.b64decode(str(code))
    except ValueError:  # an earlier change left no base64
        return b"\xe3"


def _in_weights(seed: Seed, chance: random.Random) -> Seed:
    if chance.random() < 0.5:
        head = min(len(seed.weights), 8192)  # where small files keep their structures
        return replace(seed, weights=_in_bytes(seed.weights[:head], chance) + seed.weights[head:])
    made = io.BytesIO(seed.weights)
    try:
        with h5py.File(made, "r+") as file:
            chance.choice(_HDF5_CHANGES)(file, chance)
    except Exception:  # noqa: BLE001  an earlier change left nothing that could be changed
        return seed
    return replace(seed, weights=made.getvalue())


def _in_bytes(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not made:
            break
        where = chance.randrange(len(made))
        kind = chance.randrange(5)
        if kind == 0:
            made[where] ^= 1 << chance.randrange(8)
        elif kind == 1:
            size = chance.choice((1, 2, 4, 8))
            value = chance.choice((0, 1, 2**63 - 1, 2**64 - 1, 2**32 - 1, 255, len(made)))
            made[where : where + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")
        elif kind == 2:
            del made[where : where + chance.choice((1, 4, 64, len(made)))]
        elif kind == 3:
            start = chance.randrange(len(made))
            made[where:where] = made[start : start + chance.choice((1, 8, 64))]
        else:
            made[where : where + 8] = chance.randbytes(8)
    return bytes(made)


def _with_config(weights: bytes, text: str) -> bytes:
    made = io.BytesIO(weights)
    try:
        with h5py.File(made, "r+") as file:
            file.attrs["model_config"] = text
    except Exception:  # noqa: BLE001  the weights were damaged first
        return weights
    return made.getvalue()


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def _replaced(file: h5py.File, chance: random.Random) -> str:
    name = chance.choice(_datasets(file))
    del file[name]
    return name


def _soft_link(file: h5py.File, chance: random.Random) -> None:
    file[_replaced(file, chance)] = h5py.SoftLink("/layers")


def _external_link(file: h5py.File, chance: random.Random) -> None:
    file[_replaced(file, chance)] = h5py.ExternalLink("/etc/passwd", "/")


def _hard_link(file: h5py.File, chance: random.Random) -> None:
    name = _replaced(file, chance)
    file[name] = chance.choice((file, file[name.rpartition("/")[0] or "/"]))


def _external_storage(file: h5py.File, chance: random.Random) -> None:
    file.create_dataset(_replaced(file, chance), (8,), "u1", external=[("/etc/passwd", 0, 8)])


def _huge(file: h5py.File, chance: random.Random) -> None:
    shape = chance.choice(((2**40,), (2**20, 2**20), (0,), ()))
    file.create_dataset(_replaced(file, chance), shape, chance.choice(("f4", "i8", "f8")))


def _packed(file: h5py.File, chance: random.Random) -> None:
    file.create_dataset(_replaced(file, chance), data=np.zeros(64, "f4"), compression="gzip")


def _odd_type(file: h5py.File, chance: random.Random) -> None:
    data: Any = chance.choice((b"text", np.zeros(3, "c8"), np.zeros(3, "V2"), np.array([1, "a"], "S4"), True))
    file.create_dataset(_replaced(file, chance), data=data)


def _attribute(file: h5py.File, chance: random.Random) -> None:
    holder = file.get("model_weights", file)
    key = chance.choice(("layer_names", "weight_names", "keras_version", "layer_names0"))
    value: Any = chance.choice((["dense"], 3, "x" * 3000, np.zeros(3), ["../x"], [b"\xff"], [""]))
    holder.attrs[key] = value


_HDF5_CHANGES: list[Callable[[h5py.File, random.Random], None]] = [
    _soft_link, _external_link, _hard_link, _external_storage, _huge, _packed, _odd_type, _attribute
]  # fmt: skip
