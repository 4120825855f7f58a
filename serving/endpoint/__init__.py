"""How clients reach a server: address, credentials, and advice when a connection fails."""
