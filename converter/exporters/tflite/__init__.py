"""Writes TFLite files with the converter of TensorFlow: unrolls recurrent layers before, renames tensors after."""
