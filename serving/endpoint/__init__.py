"""How a client reaches a server: its address, what it shows, and what to do when the connection is refused."""
