"""``ray start`` for a machine of any speed: two limits are lifted that Ray has and lets nobody change.

A node ends if its dashboard agent has not said within 15 s which port it listens on, chosen or not; here that is said
for it, as it will say itself. And Ray waits 30 s for the node.

Run by the Python that has Ray: ``python start_node.py start --head --dashboard-agent-listen-port=... ...``
"""

import inspect
import time
from pathlib import Path

from ray._private import services
from ray.scripts.scripts import main

PATIENCE = 300
"""Seconds; as everywhere in these tests."""


def start_raylet(*arguments, start=services.start_raylet, **options):
    stated = inspect.signature(start).bind(*arguments, **options).arguments
    name = "dashboard_agent_listen_port"
    (Path(stated["session_dir"]) / f"{name}_{stated['node_id']}").write_text(str(stated[name]))
    return start(*arguments, **options)


def get_node(*arguments, get=services.get_node):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return get(*arguments)
        except RuntimeError:
            if time.monotonic() > end:
                raise


services.start_raylet, services.get_node = start_raylet, get_node
main()
