"""The model repository: the models in a folder, their configs and versions, and which version answers."""
