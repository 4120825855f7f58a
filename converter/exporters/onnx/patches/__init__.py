"""Changes to tf2onnx and TensorFlow for the duration of a conversion, one change a file."""
