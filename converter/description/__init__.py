"""What a model file holds: read from the archive into a graph, with our activations found and named."""

from converter.description.description import Description, Finding, describe
from converter.description.input_shape import InputShapes

__all__ = ["Description", "Finding", "InputShapes", "describe"]
