"""The gRPC services: each converts a request, calls the dataplane, and converts the answer."""
