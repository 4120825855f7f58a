"""Builds the Keras model that a graph describes; runs the user's code only with ``--custom-objects``."""
