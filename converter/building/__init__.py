"""From a graph to the Keras model that computes it; runs the code of a user only if told to."""
