"""Reads model files as untrusted data; nothing in them is executed."""

from converter.archive.archive import Archive, open_archive
from converter.archive.budget import Budget
from converter.archive.source_file import combined_digest
from converter.archive.weight import Weight
from converter.archive.weight_scope import WeightScope

__all__ = ["Archive", "Budget", "Weight", "WeightScope", "combined_digest", "open_archive"]
