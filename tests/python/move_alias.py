"""Moves an alias with MLflow's client, or deletes it.

Usage: move_alias.py URI MODEL ALIAS VERSION|none
"""

import json
import sys

from mlflow import MlflowClient

uri, model, alias, version = sys.argv[1:]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
if version == "none":
    client.delete_registered_model_alias(model, alias)
else:
    client.set_registered_model_alias(model, alias, version)
print(json.dumps({"aliases": dict(client.get_registered_model(model).aliases)}, default=str))
