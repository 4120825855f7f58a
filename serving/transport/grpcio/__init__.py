"""The transport that grpcio provides."""
