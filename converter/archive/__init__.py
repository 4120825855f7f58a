"""Model files as untrusted data: read, never executed."""

from converter.archive.archive import Archive, open_archive
from converter.archive.budget import Budget
from converter.archive.scope import WeightScope
from converter.archive.source import combined
from converter.archive.weight import Weight

__all__ = ["Archive", "Budget", "Weight", "WeightScope", "combined", "open_archive"]
