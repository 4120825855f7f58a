"""Queues, batches and runs requests: inline on the event loop, or on the threads of their model."""
