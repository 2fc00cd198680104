"""Asks a server with KServe's own clients: both protocols over HTTP, and gRPC.

Usage: kserve_client.py HTTP_ADDRESS GRPC_ADDRESS MODEL ROWS

Prints one JSON object: the predictions by each way of asking.
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

http, grpc, model, rows = sys.argv[1:]
rows, url = json.loads(rows), f"http://{http}"
found = {}


def request(binary):
    values = np.array(rows)
    tensor = InferInput("rows", list(values.shape), "FP64")
    tensor.set_data_from_numpy(values, binary_data=binary)
    outputs = [RequestedOutput("predict", {"binary_data": binary})]
    return InferRequest(model, [tensor], request_outputs=outputs)


def keep(way, answer):
    assert answer.model_name == model, way
    found[way] = np.asarray(answer.outputs[0].as_numpy()).reshape(-1).tolist()


async def ask():
    async with InferenceRESTClient(RESTConfig(protocol="v1", retries=0)) as client:
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, model)
        answer = await client.infer(url, {"instances": rows}, model_name=model)
        found["v1"] = answer["predictions"]
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, model)
        for binary in [False, True]:
            keep(f"v2 {binary}", await client.infer(url, request(binary), model_name=model))
    async with InferenceGRPCClient(grpc) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready(model)
        for binary in [False, True]:
            keep(f"grpc {binary}", await client.infer(request(binary)))


asyncio.run(ask())
print(json.dumps(found))
