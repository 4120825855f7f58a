"""The process of a conversion: isolation, signals, temporary folders, start of the frameworks, environment errors."""
