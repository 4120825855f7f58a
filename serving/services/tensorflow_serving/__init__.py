"""The services of TensorFlow Serving, without TensorFlow."""
