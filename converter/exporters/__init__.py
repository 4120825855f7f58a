"""Writes Keras models in the target formats; ``target_formats`` lists them."""
