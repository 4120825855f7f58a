"""The services that clients call: each translates a request, calls the dataplane, and translates the answer."""
