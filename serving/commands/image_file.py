"""An image as a model's input; reading one needs Pillow, which is optional.

The model's shape decides: [batch, height, width, channels] takes 1 (grey), 3 (RGB) or 4 (RGBA) channels,
[batch, height, width] and [batch, pixels] a grey image, the latter a square one. An image of another size is
resized. Inputs that are floats get pixels / 255, the others pixels from 0 to 255.
"""

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.client.metadata import TensorMetadata

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tiff")
MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
FLOATS: Final = frozenset({"FP16", "BF16", "FP32", "FP64"})


class PackageMissingError(Exception):
    """A package that is not installed is needed."""


def read_image(path: Path, tensor: TensorMetadata) -> NDArray[Any]:
    """Read an image as a batch of one.

    Args:
        path: The file.
        tensor: The input it is for.

    Returns:
        uint8 of 0 to 255, or float64 of 0 to 1; its shape is the input's with a batch of 1.

    Raises:
        PackageMissingError: Pillow is not installed.
        ValueError: The file is no image, or the input takes none.
        OSError: The file cannot be read.
    """
    try:
        from PIL import Image  # noqa: PLC0415  optional
    except ImportError as error:
        raise PackageMissingError(f"reading {path.suffix} files needs Pillow; pip install pillow") from error
    height, width, channels = image_dimensions(tensor)
    try:
        with Image.open(path) as file:
            image = file.convert(MODES[channels])
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"is no image that can be read: {error}") from error
    size = (image.width if width < 0 else width, image.height if height < 0 else height)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.uint8)
    flat = len(tensor.shape) == 2
    shaped = pixels.reshape(1, -1) if flat else pixels.reshape(1, size[1], size[0], *tensor.shape[3:])
    return shaped / 255.0 if tensor.datatype in FLOATS else shaped


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
