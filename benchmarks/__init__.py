"""Measurements of the server and the converter; ``python -m benchmarks`` compares servers."""
