"""The command ``convert``: arguments, one model after the other, what is printed."""
