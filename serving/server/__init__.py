"""The life of one server process: options, assembly, first load, signals, drain."""
