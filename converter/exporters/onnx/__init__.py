"""ONNX: tf2onnx converts, and what it leaves out or does badly is done here."""
