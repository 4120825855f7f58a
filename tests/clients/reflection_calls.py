"""Calls through grpc_requests, which learns everything from reflection: a job on stdin, JSON on stdout.

The job: ``{"address", "calls": [[service, method, request]]}``, requests as JSON forms of their messages.
"""

import json
import sys

import grpc
from grpc_requests import Client


def answer(client, service, method, request):
    try:
        return client.request(service, method, request, timeout=60)
    except grpc.RpcError as error:
        return {"code": error.code().name, "text": error.details()}


def main():
    job = json.load(sys.stdin)
    client = Client(job["address"])
    done = {
        "services": {name: sorted(client.get_methods_meta(name)) for name in client.service_names},
        "answers": [answer(client, *call) for call in job["calls"]],
    }
    json.dump(done, sys.stdout)


main()
