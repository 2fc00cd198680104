"""Logs a model like a Python pipeline, makes it champion, and prints Python's predictions with it.

Usage: log_champion.py TRACKING_URI MODEL KIND      (KIND: booster, skops, pickle or cloudpickle)
"""

import json
import sys

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient

uri, name, kind = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment(f"python-{name}")
rng = np.random.RandomState(3)
frame = pd.DataFrame(rng.randn(300, 4).round(6), columns=["a", "b", "c", "d"])
labels = np.where(frame.a + frame.b * frame.c > 0, "yes", "no")
classifier = lgb.LGBMClassifier(n_estimators=8, num_leaves=7, n_jobs=1, verbose=-1).fit(frame, labels)
with mlflow.start_run(run_name="from python") as run:
    mlflow.log_params({"learning_rate": 0.1, "note": "caf\u00e9"})
    mlflow.log_metrics({"auc": 0.875, "logloss": 0.25})
    mlflow.set_tag("team", "python")
    if kind == "booster":
        logged, extra = classifier.booster_, {}
    else:
        logged = classifier
        extra = {"serialization_format": kind} if mlflow.__version__ >= "3.9" else {}
    # The first argument after the model is `artifact_path` in MLflow 2 and `name` in MLflow 3.
    mlflow.lightgbm.log_model(logged, "model", registered_model_name=name, **extra)
client = MlflowClient()
client.set_registered_model_alias(name, "champion", "1")
rows = frame.head(20)
predicted = mlflow.lightgbm.load_model(f"models:/{name}@champion").predict(rows)
print(json.dumps({
    "run_id": run.info.run_id,
    "csv": rows.to_csv(index=False, float_format="%.17g"),
    "predictions": np.asarray(predicted).tolist(),
}))
