"""Loads a version: trial, load, checks against its config, warm-up."""
