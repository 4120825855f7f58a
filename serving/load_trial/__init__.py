"""A version is tried in a process of its own before the server opens it.

    server  --candidate-->  fork_server (has the runtimes imported; one thread)  --fork-->  child: opens, checks, warms up
       ^                       | watches time and memory                                |
       +------- why not -------+------------------------- verdict ----------------------+

What hangs, crashes or takes too much memory does so in the child. The server learns the reason and goes on.
"""
