"""The measured registry operations, as typical code with MLflow's Python client.

Usage: registry.py TRACKING_URI MODEL MODEL_FILE [OPERATION VERSION]

With an operation, the script runs it and ends, to measure a whole process. Otherwise it reads requests, one
`OPERATION VERSION` per line, and answers `ok` and the seconds that each took in this process, or `no` and a reason.
`promote` promotes VERSION; 0 is the version behind `candidate`.
"""

import sys
import time

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

CONFIG = {"seed": 7, "name": "bench", "data": {"rows": 20000, "split": 0.8}}
METRICS = {"auc": 0.913, "logloss": 0.25, "rows": 20000.0}
TAGS = {"team": "bench"}


def flatten(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


class Registry:
    def __init__(self, uri, model, file):
        self.model, self.file = model, file
        mlflow.set_tracking_uri(uri)
        self.client = MlflowClient()

    def log(self, _):
        import lightgbm
        import mlflow.lightgbm

        booster = lightgbm.Booster(model_file=self.file)
        mlflow.set_experiment(self.model)
        with mlflow.start_run(run_name="bench"):
            mlflow.log_params(dict(flatten(CONFIG)))
            mlflow.log_dict(CONFIG, "config.json")
            mlflow.log_metrics(METRICS)
            mlflow.set_tags(TAGS)
            # Explicit, because MLflow would otherwise infer the requirements in another process.
            logged = mlflow.lightgbm.log_model(
                booster, name="model", registered_model_name=self.model, pip_requirements=["lightgbm"]
            )
        self.client.set_registered_model_alias(self.model, "candidate", logged.registered_model_version)

    def version(self, alias):
        try:
            return self.client.get_model_version_by_alias(self.model, alias).version
        except MlflowException:
            return None

    def promote(self, version):
        version = version if version != "0" else self.version("candidate")
        former = self.version("champion")
        self.client.set_registered_model_alias(self.model, "champion", version)
        if former is not None:
            self.client.set_registered_model_alias(self.model, "archived", former)
        if self.version("candidate") == version:
            self.client.delete_registered_model_alias(self.model, "candidate")

    def rollback(self, _):
        archived, champion = self.version("archived"), self.version("champion")
        self.client.set_registered_model_alias(self.model, "champion", archived)
        self.client.set_registered_model_alias(self.model, "archived", champion)

    def champion(self, _):
        version = self.client.get_model_version_by_alias(self.model, "champion")
        run = self.client.get_run(version.run_id)
        return version.version, run.info.run_id, run.data.metrics, run.data.tags, version.creation_timestamp

    def load(self, _):
        import mlflow.lightgbm

        return mlflow.lightgbm.load_model(f"models:/{self.model}@champion")

    def list(self, _):
        aliases = self.client.get_registered_model(self.model).aliases
        versions = self.client.search_model_versions(f"name = '{self.model}'")
        on = lambda version: [alias for alias, number in aliases.items() if number == version.version]
        return [(version.version, version.run_id, on(version), version.creation_timestamp) for version in versions]


def main():
    uri, model, file, *once = sys.argv[1:]
    registry = Registry(uri, model, file)
    if once:
        operation, version = once
        getattr(registry, operation)(version)
        return
    # MLflow's output on standard output is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for request in sys.stdin:
        operation, version = request.split()
        try:
            start = time.perf_counter()
            getattr(registry, operation)(version)
            answer = f"ok {time.perf_counter() - start}"
        except Exception as error:
            answer = "no " + " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(answer, file=answers, flush=True)


main()
