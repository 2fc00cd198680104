"""Scores rows by MLflow's own client.

Usage: score.py PORT ROWS
ROWS is a JSON list of rows of the columns f0, f1, … The answer has the predictions for a frame with its columns reversed, for an
array, for a frame with missing values, and the message of the error for a frame without a column.
"""

import json
import sys

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

port, rows = int(sys.argv[1]), np.array(json.loads(sys.argv[2]))
client = ScoringServerClient("127.0.0.1", port)
client.wait_server_ready(timeout=30)
frame = pd.DataFrame(rows, columns=[f"f{index}" for index in range(rows.shape[1])])
missing = frame.copy()
missing.iloc[0, 0] = np.nan


def predictions(data):
    return [float(value) for value in client.invoke(data).get_predictions()[0]]


refused = ""
try:
    client.invoke(frame.drop(columns="f1"))
except Exception as error:
    refused = str(error)
print(
    json.dumps(
        {
            "frame": predictions(frame[frame.columns[::-1]]),
            "array": predictions(rows),
            "missing": predictions(missing),
            "refused": refused,
        }
    )
)
