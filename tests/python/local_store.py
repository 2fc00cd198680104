"""Writes and reads a local store (file: or sqlite:) with MLflow's Python client.

Usage: local_store.py make URI | write URI | read URI | rows DATABASE

`make` creates an empty store, `write` does the same as `write` in tests/local_stores, `read` prints the client's view of
the store, and `rows` prints every row of the database's tables; each prints one JSON line.
"""

import json
import math
import os
import sqlite3
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

MODEL = "risk model"
HAS_LOGGED_MODELS = hasattr(MlflowClient, "create_logged_model")


def make(client):
    client.search_experiments()


def write(client):
    experiment = client.create_experiment("risk é", tags={"team": "risk"})
    tags = {"mlflow.user": "ada", "team": "risk"}
    run = client.create_run(experiment, start_time=1000, run_name="bold-name", tags=tags).info
    metrics = [
        Metric("auc", 0.5, 10, 0), Metric("auc", 0.75, 20, 1), Metric("auc", 0.6, 15, 1), Metric("nan", math.nan, 10, 0),
        Metric("high", math.inf, 10, 0), Metric("low", -math.inf, 10, 0), Metric("val/loss", 0.1 + 0.2, 10, -1),
    ]
    params = [Param("lr", "0.1"), Param("nested.key", "[1, null]"), Param("text", "two\nlines: é # '\"")]
    client.log_batch(run.run_id, metrics=metrics, params=params, tags=[RunTag("note", "no"), RunTag("team", "credit")])
    client.log_batch(run.run_id, metrics=metrics[:1], params=params[:1])
    described = Dataset("holdout", "0123abcd", "local", '{"uri": "/data/é.csv"}', '{"mlflow_colspec": []}', '{"num_rows": 3}')
    datasets = [
        DatasetInput(described, [InputTag("mlflow.data.context", "eval"), InputTag("é", "")]),
        DatasetInput(Dataset("bare", "4567", "code", "{}"), []),
    ]
    for _ in range(2):
        client.log_inputs(run.run_id, datasets)
    source, ids = f"{run.artifact_uri}/model", {"run_id": run.run_id}
    if HAS_LOGGED_MODELS:
        from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus

        model = client.create_logged_model(
            experiment, name="model", source_run_id=run.run_id, tags={"mlflow.user": "ada"}, params={"lr": "0.1"}
        )
        client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, 0)])
        # MLflow 3.1.4 does not take a NaN that the run has already.
        measured = [(m.key, m.value, m.timestamp, m.step) for m in [metrics[1], Metric("val/nan", math.nan, 10, 0), Metric("val/high", math.inf, 10, 0)]]
        client.log_batch(run.run_id, metrics=[Metric(*point, model_id=model.model_id) for point in measured])
        on_dataset = {"dataset_name": described.name, "dataset_digest": described.digest}
        brier = Metric("val/brier", 0.25, 10, 0, model_id=model.model_id, **on_dataset)
        client.log_batch(run.run_id, metrics=[brier])
        client.log_inputs(run.run_id, models=[LoggedModelInput(model.model_id)])
        registered = json.dumps([{"name": MODEL, "version": 1}, {"name": MODEL, "version": 7}])
        client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": registered})
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        source, ids = f"models:/{model.model_id}", {"model_id": model.model_id}
    client.create_registered_model(MODEL, tags={"owner": "bob"}, description="scores: loans\nand more")
    client.set_registered_model_tag(MODEL, "owner", "ada")
    client.create_model_version(MODEL, source, tags={"hydra.entry": "{}", "empty": ""}, description="first", **ids)
    client.create_model_version(MODEL, "s3://bucket/model", run_id=run.run_id)
    client.create_model_version(MODEL, "s3://bucket/model", tags={"kept": "yes"}, description="third")
    for value in ["no", "yes"]:
        client.set_model_version_tag(MODEL, "2", "hydra.applied", value)
    for alias, version in [("champion", "1"), ("archived", "3"), ("champion", "2"), ("candidate", "1"), ("é-1", "1")]:
        client.set_registered_model_alias(MODEL, alias, version)
    for alias in ["candidate", "archived"]:
        client.delete_registered_model_alias(MODEL, alias)
    client.delete_model_version(MODEL, "3")
    client.set_terminated(run.run_id, "FINISHED", end_time=2000)


def read(client):
    experiment = client.get_experiment_by_name("risk é")
    (found,) = client.search_runs([experiment.experiment_id])
    run = client.get_run(found.info.run_id)
    model = client.get_registered_model(MODEL)
    versions = []
    for found in client.search_model_versions(f"name='{MODEL}'"):
        version = client.get_model_version(MODEL, found.version)
        versions.append({
            "version": int(version.version),
            "description": version.description or "",
            "source": version.source,
            "run_id": version.run_id or None,
            "status": version.status,
            "tags": version.tags,
            "aliases": sorted(version.aliases),
            "download_uri": client.get_model_version_download_uri(MODEL, version.version),
        })
    seen = {
        "experiment": {"name": experiment.name, "location": experiment.artifact_location},
        "run": {
            "name": run.info.run_name,
            "status": run.info.status,
            "times": [run.info.start_time, run.info.end_time],
            "artifact_uri": run.info.artifact_uri,
            "user": run.data.tags["mlflow.user"],
            "params": run.data.params,
            "tags": run.data.tags,
            "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
            "datasets": [
                dict(one.dataset) | {"tags": {tag.key: tag.value for tag in one.tags}}
                for one in sorted(run.inputs.dataset_inputs, key=lambda one: one.dataset.name)
            ],
            "measured": [one.model_id for one in getattr(run.inputs, "model_inputs", None) or []],
        },
        "model": {
            "description": model.description or "",
            "tags": model.tags,
            "aliases": {alias: int(version) for alias, version in model.aliases.items()},
        },
        "versions": sorted(versions, key=lambda version: -version["version"]),
    }
    if HAS_LOGGED_MODELS and run.outputs and run.outputs.model_outputs:
        (output,) = run.outputs.model_outputs
        logged = client.get_logged_model(output.model_id)
        seen["logged_model"] = {
            "name": logged.name,
            "status": str(logged.status.value),
            "artifact_uri": logged.artifact_location,
            "source_run": logged.source_run_id,
        }
    return seen


def rows(path):
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables = {}
    for name in sorted(set(names) - {"alembic_version"}):
        found = [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
        if found:
            tables[name] = found
    return tables


command, place = sys.argv[1:]
if command == "rows":
    answer = rows(place)
else:
    if place.startswith("sqlite:"):
        # The client's artifact root for a database that it opens directly.
        os.chdir(os.path.dirname(place.removeprefix("sqlite:///")))
    mlflow.set_tracking_uri(place)
    answer = {"make": make, "write": write, "read": read}[command](MlflowClient())
print(json.dumps(answer))
