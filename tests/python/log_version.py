"""Logs and registers a model like a Python pipeline, and moves no alias.

Usage: log_version.py TRACKING_URI MODEL FLAVOR      (FLAVOR: lightgbm or sklearn)
"""

import json
import sys

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

uri, name, flavor = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment(f"python-{name}")
rng = np.random.RandomState(3)
frame = pd.DataFrame(rng.randn(300, 4).round(6), columns=["a", "b", "c", "d"])
labels = np.where(frame.a + frame.b * frame.c > 0, "yes", "no")
with mlflow.start_run(run_name="from python"):
    mlflow.log_metric("auc", 0.875)
    if flavor == "lightgbm":
        classifier = lgb.LGBMClassifier(n_estimators=8, num_leaves=7, n_jobs=1, verbose=-1).fit(frame, labels)
        mlflow.lightgbm.log_model(classifier, name="model", registered_model_name=name)
    else:
        classifier = LogisticRegression().fit(frame, labels)
        mlflow.sklearn.log_model(classifier, name="model", registered_model_name=name)
print(json.dumps({}))
