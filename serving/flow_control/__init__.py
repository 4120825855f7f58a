"""Limits what the server takes on at a time: requests in flight, bytes held for clients, memory."""
