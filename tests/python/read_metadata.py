"""Prints the metadata of each column of a Parquet or Arrow file, as PyArrow reads it."""

import json
import sys

import pyarrow
import pyarrow.parquet

path = sys.argv[1]
schema = pyarrow.parquet.read_schema(path) if path.endswith(".parquet") else pyarrow.ipc.open_file(path).schema


def text(metadata):
    return {key.decode(): value.decode() for key, value in (metadata or {}).items() if key.startswith(b"hydra.")}


print(json.dumps({field.name: text(field.metadata) for field in schema}))
