"""Evaluation with NumPy, LightGBM and scikit-learn's definitions: two models on the same rows, with a paired bootstrap.

Usage: evaluation.py make DIRECTORY ROWS      trains two models, and writes labelled and weighted rows as Parquet
       evaluation.py serve DIRECTORY          answers requests on standard input: one per line, one answer per line

Requests: `measure plain|weighted RESAMPLES THREADS` (AUC and log loss of both models with the intervals of the differences; answers
the seconds, and the AUC and the log loss of the first model), `mlflow` (`mlflow.evaluate` of one model without resamples; answers
the seconds), `memory` (answers the peak memory of this process in bytes). Answers are `ok` and numbers, or `no` and a reason.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

FEATURES = 30
TRAINING_ROWS = 50_000
# Resamples are computed several at a time. More take more memory, but not less time.
CHUNK = 10
EPSILON = np.finfo(float).eps


def make_rows(rng, rows):
    features = rng.standard_normal((rows, FEATURES))
    signal = features[:, 0] + features[:, 1] * features[:, 2] + np.sin(3 * features[:, 3])
    return features, (signal + rng.logistic(size=rows) > 0).astype(np.int64)


def make(directory, rows):
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(15)
    names = [f"f{index}" for index in range(FEATURES)]
    for number in range(2):
        features, label = make_rows(rng, TRAINING_ROWS)
        dataset = lightgbm.Dataset(features, label, feature_name=names, params={"verbosity": -1})
        parameters = {
            "objective": "binary", "num_leaves": 63, "learning_rate": 0.03, "deterministic": True, "force_col_wise": True,
            "num_threads": 2, "seed": number, "verbosity": -1,
        }
        lightgbm.train(parameters, dataset, 500).save_model(directory / f"model-{number}.txt")
    features, label = make_rows(rng, rows)
    frame = pd.DataFrame(features, columns=names).assign(label=label, weight=rng.gamma(2.0, size=rows))
    frame.to_parquet(directory / "rows.parquet", row_group_size=1 << 17)


def log_losses(label, probability):
    """As scikit-learn's `log_loss`, without the mean."""
    right = np.where(label == 1, probability, 1 - probability)
    return -np.log(np.clip(right, EPSILON, 1 - EPSILON))


class Ranks:
    """The AUC of many weightings of the same rows, which are sorted once. As scikit-learn's `roc_auc_score`."""

    def __init__(self, label, probability):
        self.order = np.argsort(-probability, kind="stable")
        self.positive = label[self.order].astype(bool)
        scores = probability[self.order]
        self.last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)

    def auc(self, weights):
        sorted_weights = weights[:, self.order]
        positive = np.cumsum(sorted_weights * self.positive, axis=1)[:, self.last]
        negative = np.cumsum(sorted_weights * ~self.positive, axis=1)[:, self.last]
        before = np.pad(positive[:, :-1], ((0, 0), (1, 0)))
        steps = np.diff(negative, axis=1, prepend=0)
        area = np.einsum("ij,ij->i", steps, (before + positive) / 2)
        return area / (positive[:, -1] * negative[:, -1])


def measure(directory, weighted, resamples, threads):
    frame = pd.read_parquet(directory / "rows.parquet")
    names = [f"f{index}" for index in range(FEATURES)]
    label = frame["label"].to_numpy()
    weight = frame["weight"].to_numpy() if weighted else np.ones(len(frame))
    features = frame[names].to_numpy()
    boosters = [lightgbm.Booster(model_file=directory / f"model-{number}.txt") for number in range(2)]
    probabilities = [booster.predict(features, num_threads=threads) for booster in boosters]
    losses = np.stack([log_losses(label, probability) for probability in probabilities], axis=1)
    ranks = [Ranks(label, probability) for probability in probabilities]
    of_all = weight[None, :]
    values = ranks[0].auc(of_all)[0], (of_all @ losses)[0, 0] / weight.sum()

    rng = np.random.default_rng(0)
    aucs, means = [], []
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        drawn = rng.poisson(1.0, (count, len(label))) * weight
        means.append(drawn @ losses / drawn.sum(axis=1, keepdims=True))
        aucs.append(np.stack([one.auc(drawn) for one in ranks], axis=1))
    for drawn in (np.concatenate(aucs), np.concatenate(means)):
        np.quantile(drawn, [0.025, 0.975], axis=0)
        np.quantile(drawn[:, 1] - drawn[:, 0], [0.025, 0.975])
    return values


def evaluate_with_mlflow(directory):
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    with tempfile.TemporaryDirectory() as store:
        mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
        mlflow.create_experiment("bench", artifact_location=f"file://{store}/artifacts")
        mlflow.set_experiment("bench")
        frame = pd.read_parquet(directory / "rows.parquet")
        booster = lightgbm.Booster(model_file=directory / "model-0.txt")
        names = [f"f{index}" for index in range(FEATURES)]
        # Of given predictions it measures labels only, not the AUC or the log loss.
        frame["prediction"] = (booster.predict(frame[names], num_threads=2) > 0.5).astype(int)
        with mlflow.start_run():
            mlflow.models.evaluate(
                data=frame, targets="label", predictions="prediction", model_type="classifier", evaluators="default",
                evaluator_config={"log_model_explainability": False},
            )


def answer(directory, request):
    what, *arguments = request.split()
    start = time.perf_counter()
    if what == "measure":
        values = measure(directory, arguments[0] == "weighted", int(arguments[1]), int(arguments[2]))
        return [time.perf_counter() - start, *values]
    if what == "mlflow":
        evaluate_with_mlflow(directory)
        return [time.perf_counter() - start]
    return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)]


def serve(directory):
    # The packages' output on standard output is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for request in sys.stdin:
        try:
            reply = "ok " + " ".join(str(float(number)) for number in answer(directory, request))
        except Exception as error:
            reply = "no " + " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(reply, file=answers, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        serve(Path(sys.argv[2]))
