"""Writes the demo's two CSV files next to this script (scikit-learn 1.9, pandas)."""

from pathlib import Path

from sklearn.datasets import load_breast_cancer

HERE = Path(__file__).parent
TRAIN_ROWS = 469

frame = load_breast_cancer(as_frame=True).frame
frame = frame.rename(columns=lambda name: name.replace(" ", "_")).rename(columns={"target": "malignant"})
frame["malignant"] = 1 - frame["malignant"]
frame = frame.sample(frac=1.0, random_state=7).reset_index(drop=True)
frame.iloc[:TRAIN_ROWS].to_csv(HERE / "breast_cancer_train.csv", index=False)
frame.iloc[TRAIN_ROWS:].to_csv(HERE / "breast_cancer_holdout.csv", index=False)
