"""What the server has done, for whoever watches it."""
