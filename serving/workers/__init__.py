"""Several worker processes that serve on one port like one server, and the supervisor that keeps them running."""
