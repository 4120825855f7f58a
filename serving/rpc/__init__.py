"""gRPC in, gRPC out. Outside this folder only the client and its commands know of gRPC or protobuf."""
