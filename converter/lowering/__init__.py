"""Our activations become layers of Keras alone."""
