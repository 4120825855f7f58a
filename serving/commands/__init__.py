"""The subcommands of ``plainserve``, one a file: ``add_parser`` declares it, ``run`` does it.

Each is imported for its options alone; what it needs to run it imports when it runs: ``--help`` is fast.
"""
