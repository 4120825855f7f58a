"""The files of a model repository: its layout, what is inside it, what they say of a model."""
