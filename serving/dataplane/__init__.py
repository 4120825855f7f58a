"""What the server does, whatever the transport: check a request, run it, describe the models."""
