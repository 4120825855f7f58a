"""Programs that answer with a constant."""
