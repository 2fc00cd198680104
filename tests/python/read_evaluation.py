"""Prints how MLflow's Python client sees a recorded evaluation, beside a twin that its own calls log, as one JSON line.

Usage: read_evaluation.py TRACKING_URI MODEL RUN_ID CSV
"""

import hashlib
import json
import sys
import urllib.request
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient

uri, name, run_id, csv = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = MlflowClient()


def inputs(run):
    return {
        "datasets": [
            {"dataset": dict(one.dataset), "tags": {tag.key: tag.value for tag in one.tags}}
            for one in run.inputs.dataset_inputs
        ],
        "models": [one.model_id for one in getattr(run.inputs, "model_inputs", [])],
    }


def metrics(model):
    found = [metric for metric in client.get_logged_model(model).metrics or []]
    return sorted(
        [metric.key, metric.value, metric.dataset_name, metric.dataset_digest, metric.run_id] for metric in found
    )


def summaries(experiment):
    """What the page of an experiment shows in its column of datasets."""
    if not uri.startswith("http"):
        found = client._tracking_client.store._search_datasets([experiment])
        return sorted([one.name, one.digest, one.context] for one in found)
    request = urllib.request.Request(
        f"{uri}/ajax-api/2.0/mlflow/experiments/search-datasets",
        data=json.dumps({"experiment_ids": [experiment]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)["dataset_summaries"]
    return sorted([one["name"], one["digest"], one["context"]] for one in found)


run = client.get_run(run_id)
ours = inputs(run)
given = ours["datasets"][0]["dataset"]
versions = {int(found.version): found for found in client.search_model_versions(f"name='{name}'")}
models = [
    version.source.removeprefix("models:/")
    for _, version in sorted(versions.items())
    if version.source.startswith("models:/m-")
]
documents = {}
for number, version in versions.items():
    for key, value in version.tags.items():
        if key.startswith("hydra.evaluation."):
            reference = json.loads(value)
            path = Path(mlflow.artifacts.download_artifacts(artifact_uri=reference["uri"]))
            same = hashlib.sha256(path.read_bytes()).hexdigest() == reference["sha256"]
            documents[number] = [key, same, json.loads(path.read_text())["dataset"]["name"]]
by_dataset = []
if models:
    by_dataset = client.search_logged_models(
        [run.info.experiment_id],
        filter_string="metrics.auc > 0",
        datasets=[{"dataset_name": given["name"], "dataset_digest": given["digest"]}],
    )
measured = {model: metrics(model) for model in models}
shown = summaries(run.info.experiment_id)

experiment = client.create_experiment(f"twin of {run_id}")
mlflow.set_experiment(experiment_id=experiment)
frame = pd.read_csv(csv)
dataset = mlflow.data.from_pandas(frame, source=csv, name=given["name"], digest=given["digest"])
with mlflow.start_run() as twin:
    mlflow.log_input(dataset, context="eval")
twin = client.get_run(twin.info.run_id)

# In a file store, MLflow finds a model's metrics only in the experiment of the model.
mlflow.set_experiment(experiment_id=run.info.experiment_id)
with mlflow.start_run() as measuring:
    for model in models:
        mlflow.log_metric("auc", 0.5, model_id=model, dataset=dataset)
measuring = client.get_run(measuring.info.run_id)
by_twin = {model: [one for one in metrics(model) if one[4] == measuring.info.run_id] for model in models}

print(json.dumps({
    "name": run.info.run_name,
    "status": run.info.status,
    "user": run.info.user_id,
    "metrics": run.data.metrics,
    "inputs": ours,
    "shown": shown,
    "documents": documents,
    "measured": measured,
    "by_dataset": sorted(model.model_id for model in by_dataset),
    "twin": {
        "run": twin.info.run_id,
        "measured_by": measuring.info.run_id,
        "inputs": {"datasets": inputs(twin)["datasets"], "models": inputs(measuring)["models"]},
        "shown": summaries(experiment),
        "measured": by_twin,
    },
}))
