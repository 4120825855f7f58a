"""The dataplane: decodes requests, runs them and describes the models, for any transport."""
