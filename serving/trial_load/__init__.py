"""Load trials: a version is loaded in a process of its own before the server loads it.

    server  --candidate-->  fork server (has imported the runtimes; one thread)  --fork-->  child: loads, warms up
       ^                       | limits time and memory                               |
       +-- reason of a crash --+----------------------- result -----------------------+

A model that hangs, crashes or takes too much memory does so in the child. The server gets the reason and continues.
"""
