"""Several processes that serve on one port as one server would, and the process that keeps them."""
