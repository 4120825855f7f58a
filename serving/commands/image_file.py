"""An image as a model's input; reading one needs Pillow, which is optional.

The model's shape decides: [batch, height, width, channels] takes 1 (grey), 3 (RGB) or 4 (RGBA) channels,
[batch, height, width] and [batch, pixels] a grey image, the latter a square one. An image of another size is
resized. Inputs that are floats get pixels / 255, the others pixels from 0 to 255.

A file is read as one of a few formats, whatever its name and its content: others make Pillow start other programs.
"""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.client.metadata import TensorMetadata

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tiff")
FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
FLOATS: Final = frozenset({"FP16", "BF16", "FP32", "FP64"})


GREY: Final = frozenset({"1", "L", "LA", "La"})
"""Pillow's modes without colours."""

MOST_PIXELS: Final = 50_000_000
"""Of an image, as it is stored and as the model takes it; a file of a few KB can claim billions."""

WIDE: Final = ("I", "F")
"""How the modes of images begin that have more than 8 bits a channel; Pillow would cut them off."""


class PackageMissingError(Exception):
    """A package that is not installed is needed."""


def read_image(path: Path, tensor: TensorMetadata, note: Callable[[str], None]) -> NDArray[Any]:
    """Read an image as a batch of one.

    Args:
        path: The file.
        tensor: The input it is for.
        note: Told if the image was resized or lost its colours.

    Returns:
        uint8 of 0 to 255, or float64 of 0 to 1; its shape is the input's with a batch of 1.

    Raises:
        PackageMissingError: Pillow is not installed.
        ValueError: The file is no image, or one that is too large, or the input takes none.
        OSError: The file cannot be read.
        Exception: Whatever else Pillow makes of a damaged file.
    """
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  optional
    except ImportError as error:
        raise PackageMissingError(f"reading {path.suffix} files needs Pillow; pip install pillow") from error
    height, width, channels = image_dimensions(tensor)
    with warnings.catch_warnings():
        # Pillow warns of what it repairs; of what is too large we tell ourselves.
        warnings.simplefilter("ignore")
        try:
            file = Image.open(path, formats=FORMATS)
        except UnidentifiedImageError:
            raise ValueError(f"is no image that can be read; those are: {', '.join(FORMATS)}") from None
        with file:
            size = (file.width if width < 0 else width, file.height if height < 0 else height)
            _check(file.size, size, file.mode)
            stored, image = file.mode, file.convert(MODES[channels])
    changes = []
    if image.size != size:
        changes.append(f"resized from {image.width} x {image.height} to {size[0]} x {size[1]} pixels")
        image = image.resize(size, Image.Resampling.BILINEAR)
    if channels == 1 and stored not in GREY:
        changes.append("turned grey")
    if changes:
        note(f"the image was {' and '.join(changes)}")
    pixels = np.asarray(image, np.uint8)
    flat = len(tensor.shape) == 2
    shaped = pixels.reshape(1, -1) if flat else pixels.reshape(1, size[1], size[0], *tensor.shape[3:])
    return shaped / 255.0 if tensor.datatype in FLOATS else shaped


def _check(stored: tuple[int, int], wanted: tuple[int, int], mode: str) -> None:
    """Make sure that an image is read whole, before it is decoded."""
    for width, height in (stored, wanted):
        if width * height > MOST_PIXELS:
            raise ValueError(
                f"would have {width} x {height} pixels, and {MOST_PIXELS} is the most; make it smaller"
            )
    if mode.startswith(WIDE):
        raise ValueError("has more than 8 bits a channel; convert it to 8 first, or send an .npy file")


def image_dimensions(tensor: TensorMetadata) -> tuple[int, int, int]:
    """Height, width and channels of the image an input takes; -1 where it may have any.

    Raises:
        ValueError: The input takes no image.
    """
    dims = tensor.shape[1:]
    if len(dims) == 3 and dims[2] in MODES:
        return dims[0], dims[1], dims[2]
    if len(dims) == 2:
        return dims[0], dims[1], 1
    if len(dims) == 1 and dims[0] > 0 and math.isqrt(dims[0]) ** 2 == dims[0]:
        return math.isqrt(dims[0]), math.isqrt(dims[0]), 1
    raise ValueError(f"is an image, and input '{tensor.name}' of shape {list(tensor.shape)} takes none")
