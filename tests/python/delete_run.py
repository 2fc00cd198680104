"""Deletes a run with MLflow's client, which keeps it until it is purged.

Usage: delete_run.py URI RUN_ID
"""

import json
import sys

from mlflow import MlflowClient

uri, run_id = sys.argv[1:]
client = MlflowClient(tracking_uri=uri)
client.delete_run(run_id)
print(json.dumps({"lifecycle_stage": client.get_run(run_id).info.lifecycle_stage}))
