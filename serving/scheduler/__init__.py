"""When a request runs, and together with which others."""
