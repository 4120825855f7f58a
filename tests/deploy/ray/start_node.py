"""``ray start``, which waits for its node for longer than the half minute that Ray itself has and lets nobody change.

Run by the Python that has Ray: ``python start_node.py start --head ...``
"""

import time

from ray._private import services
from ray.scripts.scripts import main

PATIENCE = 300
"""Seconds; as everywhere in these tests."""


def get_node(*arguments, get=services.get_node):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return get(*arguments)
        except RuntimeError:
            if time.monotonic() > end:
                raise


services.get_node = get_node
main()
