"""Determines the shapes and dtypes of a model's inputs, from its InputLayers or from other parts of the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.errors import UnsafeFileError, UnsupportedError, UsageError
from converter.graph import Layer

_DTYPES = frozenset(
    """
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 string
    """.split()
)
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class InputShapes:
    """The input shapes from the command line, without the batch axis.

    Attributes:
        by_name: Shapes by input name; the key ``""`` is for a model's only input.
        batch: The fixed batch size, or None for a variable one.
    """

    by_name: Mapping[str, Shape] = field(default_factory=dict)
    batch: int | None = None

    @classmethod
    def parse(cls, texts: list[str], batch: int | None) -> "InputShapes":
        """Parse ``784``, ``8,8,1`` or ``image=8,8,1``; ``?`` is a variable size.

        Raises:
            UsageError: A size is not a positive number.
        """
        by_name: dict[str, Shape] = {}
        for text in texts:
            name, _, sizes = text.rpartition("=")
            try:
                shape = tuple(
                    None if size.strip() == "?" else int(size) for size in sizes.split(",") if size.strip()
                )
            except ValueError:
                shape = (0,)
            if any(size is not None and size < 1 for size in shape):
                raise UsageError(f"--input-shape: '{sizes}' is not a list of sizes such as 784 or 8,8,1")
            by_name[name] = shape
        return cls(by_name, batch)

    def apply(self, name: str, shape: Shape | None) -> Shape | None:
        """The full shape of an input: the batch, then the sizes from the file and the command line combined.

        Raises:
            UsageError: They contradict each other.
        """
        stated = self.by_name.get(name, self.by_name.get(""))
        if stated is None:
            return None if shape is None else (self.batch, *shape)
        fits = shape is None or (
            len(shape) == len(stated)
            and all(have in {None, said} for have, said in zip(shape, stated, strict=True))
        )
        if not fits:
            raise UsageError(
                f"--input-shape says {_text(stated)} for '{name}', but the model says {_text(shape)}"
            )
        return (self.batch, *stated)


def input_layer(name: str, config: Mapping[str, Any], shapes: InputShapes, *, nested: bool) -> Layer:
    """Read an InputLayer from the file.

    Raises:
        UnsafeFileError: It has no shape.
        UnsupportedError: It is sparse or ragged, or of an unknown dtype.
    """
    where = f"layer '{name}'"
    if config.get("sparse") or config.get("ragged"):
        raise UnsupportedError("is a sparse or ragged input", where=where)
    raw = config.get("batch_shape", config.get("batch_input_shape"))
    shape = _read(raw)
    if shape is None:
        raise UnsafeFileError(f"has the shape {raw!r:.60}", where=where)
    full = (None, *shape) if nested else shapes.apply(name, shape)
    return _made(name, full, config.get("dtype"), where)


def missing_input(
    entry: Mapping[str, Any], config: Mapping[str, Any], first: object, shapes: InputShapes, *, nested: bool
) -> Layer:
    """Make the input of a Sequential that was saved without one.

    Its shape is the one for which the model or its first layer was built, or follows from the first weights.

    Raises:
        UnsupportedError: Neither the file nor the command line states the shape.
    """
    layer = first if isinstance(first, Layer) else None
    known = next(filter(None, (_read(raw) for raw in _stored_shapes(entry, config))), None)
    if known is None and layer is not None and layer.kind == "Dense" and "vars/0" in layer.weights:
        known = layer.weights["vars/0"].shape[:1] or None
    full = shapes.apply("input", known) if not nested else ((None, *known) if known else (None,))
    if full is None:
        raise UnsupportedError(
            "was saved before it was built, so its input shape is not in the file",
            where=f"model '{config.get('name')}'",
            hint="State it without the batch axis: --input-shape 784 or --input-shape 8,8,1.",
        )
    integers = layer is not None and layer.kind == "Embedding"
    return _made("input", full, "int32" if integers else "float32", "layer 'input'")


def _stored_shapes(entry: Mapping[str, Any], config: Mapping[str, Any]) -> list[object]:
    holders: list[Any] = [entry, *config["layers"][:1]]
    found: list[object] = [config.get("build_input_shape")]
    for holder in holders:
        built = holder.get("build_config")
        found.append(built.get("input_shape") if isinstance(built, Mapping) else None)
        inner = holder.get("config")
        found.append(inner.get("batch_input_shape") if isinstance(inner, Mapping) else None)
    return found


def _made(name: str, shape: Shape | None, dtype: object, where: str) -> Layer:
    if isinstance(dtype, Mapping):
        inner = dtype.get("config")
        dtype = inner.get("name") if isinstance(inner, Mapping) else None
    dtype = dtype or "float32"
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise UnsupportedError(f"has dtype {dtype!r:.40}", where=where)
    return Layer(name, "InputLayer", {"batch_shape": list(shape or ()), "dtype": dtype})


def _read(raw: object) -> Shape | None:
    """A stored shape without its batch axis; None if the value is not a shape."""
    if not isinstance(raw, list | tuple) or not raw:
        return None
    sizes = list(raw[1:])
    good = all(
        size is None or (isinstance(size, int) and not isinstance(size, bool) and 0 < size < 2**31)
        for size in sizes
    )
    return tuple(sizes) if good else None


def _text(shape: Shape | None) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape or ()) + ")"
