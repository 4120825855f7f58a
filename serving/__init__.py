"""Plainserve's server: a model repository in, gRPC out."""

from plainserve import __version__

__all__ = ["__version__"]
