"""Where artefacts go, what is written beside them, and how all of it gets there in one step."""
