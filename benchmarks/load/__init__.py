"""Generators of load."""
