"""Folding: the scales that lowering leaves become part of the linear layers around them."""

from converter.folding.fold import fold

__all__ = ["fold"]
