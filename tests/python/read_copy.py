"""Reads versions 1 to COUNT with MLflow's own client and prints a list of what each has, as one JSON line.

Usage: read_copy.py TRACKING_URI MODEL COUNT ROWS
"""

import json
import sys
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient

uri, name, count, rows = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = MlflowClient()


def read(number):
    version = client.get_model_version(name, number)
    run = client.get_run(version.run_id)
    model = mlflow.pyfunc.load_model(f"models:/{name}/{number}")
    directory = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{number}"))
    metadata = model.metadata
    return {
        "predictions": model.predict(pd.read_csv(rows)).tolist(),
        "files": sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()),
        "flavor": metadata.flavors["lightgbm"],
        "signature": metadata.signature.to_dict() if metadata.signature else None,
        "metadata": metadata.metadata,
        "run_id": [metadata.run_id, version.run_id],
        "model_id": metadata.model_id,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "tags": run.data.tags,
        "version_tags": version.tags,
    }


print(json.dumps([read(str(number)) for number in range(1, int(count) + 1)]))
