"""Run in Ray's environment: how many replicas can answer, ``running N`` on stdout when that changes, until killed.

Ray writes lines of its own there. The argument is the cluster's address.
"""

import sys
import time

import ray
from ray import serve

ray.init(sys.argv[1], namespace="serve", log_to_driver=False, logging_level="ERROR")
last = None
while True:
    application = serve.status().applications.get("plainserve")
    states = (
        application.deployments["Replica"].replica_states if application and application.deployments else {}
    )
    running = states.get("RUNNING", 0)
    if running != last:
        print("running", running, flush=True)  # noqa: T201  read by the test
        last = running
    time.sleep(0.1)
