"""Metrics in the text format of Prometheus, and the HTTP endpoint that serves them."""
