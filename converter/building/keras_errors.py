"""Shortens an exception of Keras to one line."""

import re


def first_line(error: Exception) -> str:
    """The first line with a reason; Keras puts one before it that says only where the layer was called."""
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception encountered when calling ")]
    return said[0][:300] if said else type(error).__name__
