"""Plainserve in Ray Serve: the same dataplane in replicas, the same protocols at Ray's gRPC proxy."""
