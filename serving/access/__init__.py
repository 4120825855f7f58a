"""Who may connect and who may call what: TLS, tokens, rights."""
