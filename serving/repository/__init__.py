"""The models in a folder: which there are, which are loaded, which one answers."""
