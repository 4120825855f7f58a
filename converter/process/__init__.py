"""The process that a conversion runs in: its limits, its end, its temporary folders, what its machine lacks."""
