"""Scores the rows of a CSV file with LightGBM models and measures them with scikit-learn, with weights."""

import json
import sys

import lightgbm
import pandas as pd
from sklearn import metrics

rows, *models = sys.argv[1:]
frame = pd.read_csv(rows)
label, weight = frame["label"], frame["weight"]


def measured(frame, p):
    y, kw = frame["label"], {"sample_weight": frame["weight"]}
    return {
        "auc": metrics.roc_auc_score(y, p, **kw),
        "average_precision": metrics.average_precision_score(y, p, **kw),
        "log_loss": metrics.log_loss(y, p, **kw),
        "brier": metrics.brier_score_loss(y, p, **kw),
        "accuracy": metrics.accuracy_score(y, p > 0.5, **kw),
        "f1": metrics.f1_score(y, p > 0.5, **kw),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p > 0.5, **kw),
    }


found = []
for path in models:
    booster = lightgbm.Booster(model_file=path)
    p = booster.predict(frame[booster.feature_name()])
    segments = {str(region): group.index for region, group in frame.groupby("region")}
    of_segments = {name: measured(frame.loc[index], p[index]) for name, index in segments.items()}
    found.append({"all": measured(frame, p)} | of_segments)
print(json.dumps(found))
