"""Prints a registered model that Rust wrote, as MLflow's Python client reads it, as one JSON line.

Usage: read_champion.py TRACKING_URI MODEL ROWS_JSON
"""

import json
import sys

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient

uri, name, rows = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = MlflowClient()
version = client.get_model_version_by_alias(name, "champion")
run = client.get_run(version.run_id)
experiment = client.get_experiment(run.info.experiment_id)
flavor = mlflow.lightgbm.load_model(f"models:/{name}@champion")
pyfunc = mlflow.pyfunc.load_model(f"models:/{name}@champion")
columns = flavor.feature_name()
frame = pd.DataFrame(json.loads(rows), columns=columns, dtype="float64")
config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/config.json")
signature = pyfunc.metadata.signature
logged = None
if version.source.startswith("models:/m-"):
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    better = client.search_logged_models([run.info.experiment_id], filter_string="metrics.auc > 0.5")
    logged = {
        "metrics": {metric.key: metric.value for metric in model.metrics or []},
        "runs": sorted({metric.run_id for metric in model.metrics or []}),
        "params": model.params,
        "tags": model.tags,
        "found": model.model_id in [found.model_id for found in better],
    }
print(json.dumps({
    "version": int(version.version),
    "status": run.info.status,
    "run_name": run.info.run_name,
    "ended": run.info.end_time is not None,
    "experiment": experiment.name,
    "params": run.data.params,
    "metrics": run.data.metrics,
    "tags": {key: value for key, value in run.data.tags.items() if key != "mlflow.log-model.history"},
    "version_tags": version.tags,
    "aliases": {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()},
    "versions": sorted(int(found.version) for found in client.search_model_versions(f"name='{name}'")),
    "run": version.run_id,
    "logged_model": logged,
    "config": json.loads(config),
    "inputs": signature.inputs.to_dict() if signature else None,
    "flavor": np.asarray(flavor.predict(frame)).tolist(),
    "pyfunc": np.asarray(pyfunc.predict(frame)).tolist(),
}))
