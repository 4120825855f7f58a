"""The command ``convert``: its arguments, the loop over the models, and what is printed."""
