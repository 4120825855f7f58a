"""Writes ONNX files with tf2onnx, and corrects what it does not support or does inaccurately."""
