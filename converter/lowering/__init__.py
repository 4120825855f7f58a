"""Replaces the known activations by built-in Keras layers."""
