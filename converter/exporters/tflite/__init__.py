"""TFLite: the converter of TensorFlow, with recurrent layers unrolled before and names made canonical after."""
