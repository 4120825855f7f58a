"""Reads a model file from the archive into a graph, and recognises the activations in it."""

from converter.description.description import Description, Finding, describe
from converter.description.input_shape import InputShapes

__all__ = ["Description", "Finding", "InputShapes", "describe"]
