"""Logs and registers a model like a Python pipeline, and moves no alias.

Usage: log_version.py TRACKING_URI MODEL FLAVOR      (FLAVOR: lightgbm, sklearn, or sklearn with +classifier, +skops or +pipeline)
"""

import json
import sys

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

uri, name, flavor = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment(f"python-{name}")
rng = np.random.RandomState(3)
frame = pd.DataFrame(rng.randn(300, 4).round(6), columns=["a", "b", "c", "d"])
labels = np.where(frame.a + frame.b * frame.c > 0, "yes", "no")
with mlflow.start_run(run_name="from python"):
    mlflow.log_metric("auc", 0.875)
    classifier = lgb.LGBMClassifier(n_estimators=8, num_leaves=7, n_jobs=1, verbose=-1)
    if flavor == "lightgbm":
        mlflow.lightgbm.log_model(classifier.fit(frame, labels), name="model", registered_model_name=name)
    else:
        if flavor == "sklearn":
            classifier = LogisticRegression()
        elif flavor == "sklearn+pipeline":
            classifier = make_pipeline(StandardScaler(), classifier)
        classifier.fit(frame, labels)
        mlflow.sklearn.log_model(
            classifier,
            name="model",
            registered_model_name=name,
            serialization_format="skops" if flavor == "sklearn+skops" else "cloudpickle",
            skops_trusted_types=["lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier", "collections.OrderedDict"],
        )
print(json.dumps({"predictions": [str(label) for label in classifier.predict(frame[:20])], "rows": frame[:20].values.tolist()}))
