"""Plainserve in Ray Serve: the server's dataplane in replicas, its protocols at Ray's gRPC proxy."""
