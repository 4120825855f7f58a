"""Keras 2: translates nodes that call TensorFlow to operations of Keras 3, and marks how its layers treat masks."""

from converter.description.keras_2.masks import with_masks_of_keras_2
from converter.description.keras_2.nodes import is_node, read_node
from converter.description.keras_2.unused_sizes import without_unused_sizes

__all__ = ["is_node", "read_node", "with_masks_of_keras_2", "without_unused_sizes"]
