"""Proof that an artefact answers as the original does: probes in, figures out."""
