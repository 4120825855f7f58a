"""Folds the scales that lowering creates into the linear layers around them."""

from converter.folding.fold import fold

__all__ = ["fold"]
