"""Asks a server of the Open Inference Protocol with Triton's own clients.

Usage: triton_clients.py HTTP_ADDRESS GRPC_ADDRESS MODEL ROWS

Prints one JSON object: the predictions by each way of asking, and the version that answered.
"""

import json
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http

http_address, grpc_address, model, rows = sys.argv[1:]
rows = np.array(json.loads(rows))
found = {}


def inputs(client, **how):
    tensor = client.InferInput("rows", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows, **how)
    return [tensor]


def columns(client, **how):
    tensors = []
    # In another order than the model's.
    for index in reversed(range(rows.shape[1])):
        tensor = client.InferInput(f"f{index}", [len(rows), 1], "FP64")
        tensor.set_data_from_numpy(np.ascontiguousarray(rows[:, index : index + 1]), **how)
        tensors.append(tensor)
    return tensors


def keep(way, answer):
    response = answer.get_response()
    name = response["outputs"][0]["name"] if isinstance(response, dict) else response.outputs[0].name
    found[way] = answer.as_numpy(name).reshape(-1).tolist()


with http.InferenceServerClient(http_address) as client:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    assert client.get_model_metadata(model)["name"] == model
    keep("http, binary", client.infer(model, inputs(http)))
    keep("http, JSON", client.infer(model, inputs(http, binary_data=False)))
    keep("http, columns", client.infer(model, columns(http)))
    for compression in ("gzip", "deflate"):
        answer = client.infer(
            model, inputs(http), request_compression_algorithm=compression, response_compression_algorithm=compression
        )
        keep(f"http, {compression}", answer)
    found["version"] = client.infer(model, inputs(http)).get_response()["model_version"]

with grpc.InferenceServerClient(grpc_address) as client:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    assert client.get_model_metadata(model).name == model
    keep("grpc", client.infer(model, inputs(grpc)))
    keep("grpc, columns", client.infer(model, columns(grpc)))

print(json.dumps(found))
