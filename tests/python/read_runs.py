"""Prints the runs, versions and LoggedModels of a registered model's experiment as one JSON line.

Usage: read_runs.py TRACKING_URI MODEL
"""

import json
import sys

import mlflow
from mlflow import MlflowClient

uri, name = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = MlflowClient()
experiment = client.get_experiment_by_name(name).experiment_id
print(json.dumps({
    "runs": [
        {"status": run.info.status, "ended": run.info.end_time is not None} for run in client.search_runs([experiment])
    ],
    "versions": len(client.search_model_versions(f"name='{name}'")),
    "models": [str(model.status.value) for model in client.search_logged_models([experiment])],
}))
