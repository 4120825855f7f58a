"""Plainserve's server: a model repository in, gRPC out."""
