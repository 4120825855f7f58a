"""Plainserve's converter: a Keras file in, plain artefacts and a parity report out."""

__version__ = "0.1.0"
