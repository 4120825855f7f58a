"""Whether the rows of a batch are answered independently: by the kinds of the layers, and as measured."""
