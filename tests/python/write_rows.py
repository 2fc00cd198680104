"""Writes the rows of a CSV file in the other formats, and as a directory of two of them; prints the paths."""

import json
import sys
from pathlib import Path

import pandas as pd

rows, home = sys.argv[1], Path(sys.argv[2])
frame = pd.read_csv(rows)
frame.to_parquet(home / "rows.parquet")
frame.to_feather(home / "rows.feather")
frame.to_json(home / "rows.jsonl", orient="records", lines=True)
parts = home / "parts"
parts.mkdir()
half = len(frame) // 2
frame.iloc[:half].to_parquet(parts / "part-0.parquet")
frame.iloc[half:].to_csv(parts / "part-1.csv", index=False)
(parts / "_SUCCESS").touch()
print(json.dumps([str(home / name) for name in ("rows.parquet", "rows.feather", "rows.jsonl", "parts")]))
