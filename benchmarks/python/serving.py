"""Writes what the comparison of scoring servers needs.

Usage: serving.py MODEL_DIRECTORY DIRECTORY

`MODEL_DIRECTORY` is one of `make_models.py`. `DIRECTORY` gets the model as MLflow saves it (`mlflow/`) and as MLServer reads it
(`mlserver/`), and raw HTTP requests: `ping.http`, and for one row and for 1,000 rows those of MLflow's protocol, of the Open
Inference Protocol in JSON, and of its binary extension; and that protocol's messages for gRPC (`grpc-1.message`).
"""

import json
import shutil
import sys
from pathlib import Path

import lightgbm as lgb
import mlflow
import numpy as np
from mlflow.types import ColSpec, Schema

NAME = "bench"


def http(path, body, headers):
    head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


def requests(rows, columns):
    json_type = {"Content-Type": "application/json"}
    cells = [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]
    split = json.dumps({"dataframe_split": {"columns": columns, "data": cells}}).encode()
    yield "mlflow", http("/invocations", split, json_type)
    tensor = {"name": "rows", "shape": list(rows.shape), "datatype": "FP64"}
    path = f"/v2/models/{NAME}/infer"
    flat = [value for row in cells for value in row]
    yield "v2", http(path, json.dumps({"inputs": [{**tensor, "data": flat}]}).encode(), json_type)
    raw = rows.astype("<f8").tobytes()
    tensor["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    yield "binary", http(
        path, head + raw, {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": len(head)}
    )


def varint(number):
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def field(number, content):
    """A length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def message(rows):
    """A `ModelInferRequest` with the rows as raw contents, and with the prefix of a message in gRPC."""
    shape = b"".join(varint(length) for length in rows.shape)
    tensor = field(1, b"rows") + field(2, b"FP64") + field(3, shape)
    request = field(1, NAME.encode()) + field(5, tensor) + field(7, rows.astype("<f8").tobytes())
    return b"\0" + len(request).to_bytes(4, "big") + request


def main(source, directory):
    source, directory = Path(source), Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    booster = lgb.Booster(model_file=str(source / "model.txt"))
    columns = booster.feature_name()
    rows = np.fromfile(source / "rows.f64").reshape(-1, len(columns))
    signature = mlflow.models.ModelSignature(
        inputs=Schema([ColSpec("double", name, required=False) for name in columns]), outputs=Schema([ColSpec("double")])
    )
    mlflow.lightgbm.save_model(booster, str(directory / "mlflow"), signature=signature)
    # hydra-registry names a file by its stem.
    shutil.copy(source / "model.txt", directory / f"{NAME}.txt")
    server = directory / "mlserver"
    server.mkdir()
    shutil.copy(source / "model.txt", server / "model.bst")
    settings = {
        "name": NAME,
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.bst", "version": "1"},
    }
    (server / "model-settings.json").write_text(json.dumps(settings))
    (directory / "ping.http").write_bytes(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
    (directory / "live.http").write_bytes(b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for count in (1, 1000):
        for form, request in requests(rows[:count], columns):
            (directory / f"{form}-{count}.http").write_bytes(request)
        (directory / f"grpc-{count}.message").write_bytes(message(rows[:count]))


main(*sys.argv[1:])
