"""What people do to a registry with MLflow's own tools.

Usage: life.py URI ACTION ARGUMENTS...
  rename-model NAME NEW_NAME      delete-run RUN_ID              restore-run RUN_ID
  delete-experiment ID            restore-experiment ID          purge-run RUN_ID DATABASE_URI
  delete-version NAME VERSION     delete-model NAME              delete-model-tag NAME KEY
  register-prompt NAME            run-note RUN_ID                delete-version-tag NAME VERSION KEY
  set-version-tag NAME VERSION KEY VALUE
"""

import json
import os
import subprocess
import sys

from mlflow import MlflowClient

uri, action, *arguments = sys.argv[1:]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
answer = {}
match action, arguments:
    case "rename-model", [name, new_name]:
        client.rename_registered_model(name, new_name)
    case "delete-run", [run_id]:
        client.delete_run(run_id)
    case "restore-run", [run_id]:
        client.restore_run(run_id)
    case "delete-experiment", [experiment_id]:
        client.delete_experiment(experiment_id)
    case "restore-experiment", [experiment_id]:
        client.restore_experiment(experiment_id)
    case "purge-run", [run_id, database]:
        client.delete_run(run_id)
        command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", database, "--run-ids", run_id]
        done = subprocess.run(command, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"mlflow gc failed: {done.stdout}{done.stderr}")
    case "delete-version", [name, version]:
        client.delete_model_version(name, version)
    case "delete-model", [name]:
        client.delete_registered_model(name)
    case "delete-model-tag", [name, key]:
        client.delete_registered_model_tag(name, key)
    case "set-version-tag", [name, version, key, value]:
        client.set_model_version_tag(name, version, key, value)
    case "delete-version-tag", [name, version, key]:
        client.delete_model_version_tag(name, version, key)
    case "register-prompt", [name]:
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        mlflow.genai.register_prompt(name=name, template="Hello {{x}}")
        mlflow.genai.set_prompt_alias(name, "champion", 1)
    case "run-note", [run_id]:
        run = client.get_run(run_id)
        answer = {"name": run.info.run_name, "note": run.data.tags["mlflow.note.content"]}
    case _:
        sys.exit(f"unknown: {action} {arguments}")
print(json.dumps(answer))
