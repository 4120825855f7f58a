"""What runs in the environments of other servers: as little as each of them allows around an onnxruntime session."""
