"""Plainserve's server: a model repository in, gRPC out."""

__version__ = "0.1.0"
