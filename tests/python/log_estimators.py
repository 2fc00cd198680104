"""Logs versions as Python pipelines do, for copies: with all that MLflow keeps beside a model.

Usage: log_estimators.py TRACKING_URI MODEL DIRECTORY
Version 1 is an estimator (skops) with an input example, a signature, metadata, an extra file and a tag, and without metrics; version 2 is
one in cloudpickle; version 3 a booster with a signature. Prints the predictions of each for the rows that `rows.csv` in DIRECTORY has.
"""

import json
import sys
from pathlib import Path

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature

uri, name, directory = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment(f"python-{name}")
rng = np.random.RandomState(3)
frame = pd.DataFrame(rng.randn(300, 4).round(6), columns=["a", "b", "c", "d"])
labels = np.where(frame.a + frame.b * frame.c > 0, "yes", "no")
rows = frame.head(20)
rows.to_csv(Path(directory) / "rows.csv", index=False)
notes = Path(directory) / "notes.txt"
notes.write_text("reviewed by ann\n")
classifier = lgb.LGBMClassifier(n_estimators=8, num_leaves=7, n_jobs=1, verbose=-1).fit(frame, labels)
common = {"name": "model", "registered_model_name": name}
with mlflow.start_run(run_name="from python", description="retrained after the audit"):
    mlflow.log_param("leaves", 7)
    mlflow.set_tag("team", "risk")
    mlflow.lightgbm.log_model(
        classifier, input_example=frame.head(3), signature=infer_signature(frame, labels),
        metadata={"owner": "Åsa", "commit": "1e5"}, extra_files=[str(notes)], **common,
    )
with mlflow.start_run():
    mlflow.log_metric("auc", 0.875)
    mlflow.lightgbm.log_model(classifier, serialization_format="cloudpickle", **common)
with mlflow.start_run():
    mlflow.log_metric("auc", 0.875)
    mlflow.lightgbm.log_model(classifier.booster_, signature=infer_signature(frame, classifier.booster_.predict(frame)), **common)
MlflowClient().set_model_version_tag(name, "1", "reviewed", "yes")
print(json.dumps({
    "labels": classifier.predict(rows).tolist(),
    "scores": classifier.booster_.predict(rows).tolist(),
}))
