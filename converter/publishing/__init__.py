"""Publishes artefacts: where they go, the files beside them, and the atomic moves."""
