"""The loop of an experiment: train, evaluate, log, gate, promote, monitor, roll back.

Usage: python experiment_loop.py [--policy FILE]

It trains on the data in `examples/data` and uses the store of `MLFLOW_TRACKING_URI`, or a database in the current
project. Takes `pip install hydra-registry[mlflow] scikit-learn`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd
from sklearn.metrics import roc_auc_score

from hydra_registry import Held, ModelRegistry, Rejected

DATA = Path(__file__).resolve().parents[1] / "data"
HOLDOUT = DATA / "breast_cancer_holdout.csv"
LABEL = "malignant"

# The second one takes other columns than the first. Consumers of the champion would have to change what they pass, so the
# setting `refuse-changes` below rejects it.
TRIALS: list[dict[str, Any]] = [
    {"name": "small", "n_estimators": 5, "num_leaves": 4},
    {"name": "few columns", "n_estimators": 50, "columns": 10},
    {"name": "default", "n_estimators": 100},
]

# Below this AUC on new rows, the champion is taken back.
ALARM = 0.95


def main() -> None:
    """Runs every trial, then watches the champion on rows that it has not seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", help="a policy component; default: the embedded one")
    policy = parser.parse_args().policy

    registry = ModelRegistry(
        model_name="breast-cancer", policy=policy, settings={"refuse-changes": ["columns", "output"]}
    )
    for trial in TRIALS:
        version = train_and_log(registry, trial)
        gate(registry, version)
    monitor(registry, pd.read_csv(HOLDOUT))
    monitor(registry, broken(pd.read_csv(HOLDOUT)))


def train_and_log(registry: ModelRegistry, trial: dict[str, Any]) -> int:
    """Trains a classifier and logs it as the candidate."""
    rows = pd.read_csv(DATA / "breast_cancer_train.csv")
    labels, features = rows[LABEL], rows.drop(columns=LABEL)
    features = features.iloc[:, : trial.get("columns")]
    parameters = {key: value for key, value in trial.items() if key not in ("name", "columns")}
    model = lightgbm.LGBMClassifier(**parameters, verbosity=-1).fit(features, labels)

    holdout = pd.read_csv(HOLDOUT)
    auc = roc_auc_score(holdout[LABEL], model.predict_proba(holdout[features.columns])[:, 1])
    config = {"data": {"rows": len(rows), "columns": features.shape[1]}, **parameters}
    run_id, version = registry.log_candidate(model, {"auc": auc}, config, run_name=trial["name"])
    print(f"version {version} ({trial['name']}): auc {auc:.4f}, run {run_id}")
    return version


def gate(registry: ModelRegistry, version: int) -> None:
    """Asks the policy to make the version the champion."""
    try:
        transition = registry.promote(version, reason="experiment loop")
        print(f"  {transition.outcome}: {transition.explanation}")
    except Rejected as rejection:
        print(f"  rejected: {rejection.explanation}")
    except Held as held:
        print(f"  not yet: {held.explanation}")


def monitor(registry: ModelRegistry, rows: pd.DataFrame) -> None:
    """Scores new rows with the champion, and takes it back if it has become bad."""
    champion = registry.load_champion()
    scores = champion.predict_proba(rows.drop(columns=LABEL))[:, 1]
    auc = roc_auc_score(rows[LABEL], scores)
    print(f"champion {champion.version} has auc {auc:.4f} on {len(rows)} new rows")
    if auc < ALARM:
        print(f"  rolled back to version {registry.rollback()}")


def broken(rows: pd.DataFrame) -> pd.DataFrame:
    """What arrives when the measuring device fails: zeros in most columns."""
    return rows.assign(**{column: 0.0 for column in rows.columns if column.startswith(("mean_", "worst_"))})


if __name__ == "__main__":
    main()
