"""Calls through kserve's InferenceGRPCClient as it is installed: a job on stdin, what came of it on stdout.

The job: ``{"address", "models": [name], "requests": [{"model", "inputs": {name: [datatype, elements]}, "binary",
"outputs", "version", "id"}]}``, where all but the first two of a request may be missing.
"""

import asyncio
import json
import sys

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput

DTYPES = {"FP32": np.float32, "FP16": np.float16, "INT32": np.int32, "INT64": np.int64, "BYTES": np.object_}


def request_of(asked):
    inputs = []
    for name, (datatype, elements) in asked["inputs"].items():
        array = np.array(elements, DTYPES[datatype])
        if asked.get("binary", True):
            if datatype == "BYTES":
                array = np.array([text.encode() for text in array.ravel()], np.object_).reshape(array.shape)
            made = InferInput(name, list(array.shape), datatype)
            made.set_data_from_numpy(array)
        else:
            made = InferInput(name, list(array.shape), datatype, array.ravel().tolist())
        inputs.append(made)
    wanted = [RequestedOutput(name) for name in asked.get("outputs", [])]
    return InferRequest(
        asked["model"],
        inputs,
        request_id=asked.get("id"),
        request_outputs=wanted or None,
        model_version=asked.get("version"),
    )


def elements_of(output):
    array = output.as_numpy()
    return [each.decode() for each in array.ravel()] if output.datatype == "BYTES" else array.tolist()


async def answer(client, asked):
    try:
        response = await client.infer(request_of(asked), timeout=60)
    except grpc.RpcError as error:
        return {"code": error.code().name, "text": error.details()}
    outputs = {each.name: [each.datatype, elements_of(each)] for each in response.outputs}
    return {"version": response.model_version, "id": response.id, "outputs": outputs}


async def main():
    job = json.load(sys.stdin)
    async with InferenceGRPCClient(job["address"], timeout=60) as client:
        done = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "models": {name: await client.is_model_ready(name) for name in job.get("models", [])},
            "answers": [await answer(client, asked) for asked in job.get("requests", [])],
        }
    json.dump(done, sys.stdout)


asyncio.run(main())
