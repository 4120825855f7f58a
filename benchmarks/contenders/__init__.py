"""The servers that are compared, one file for each."""
