"""Proves parity: compares the outputs of an artefact with those of the original, and measures the differences."""
