"""The version of this distribution. Its code is in the packages ``converter`` and ``serving``."""

__version__ = "0.2.0"
