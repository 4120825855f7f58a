"""Access control: TLS certificates, bearer tokens, and the rights that methods need."""
