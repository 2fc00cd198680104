"""Predictions from file to file, next to pandas with LightGBM.

Usage: files.py make DIRECTORY MODEL ROWS     writes rows of numbers for a model as rows.csv, rows.csv.gz and rows.parquet
       files.py predict MODEL INPUT OUTPUT    scores a file with pandas and LightGBM
       files.py serve                         answers requests on standard input: one per line, one answer per line

Requests: `run COMMAND` (runs a shell's command line; answers the seconds and the peak memory of its largest process in bytes), `differs A B`
(the greatest difference of the predictions in two Parquet files). Answers are `ok` and numbers, or `no` and a reason.
"""

import gzip
import os
import shutil
import sys
import time
from pathlib import Path


def make(directory, model, rows):
    import lightgbm
    import numpy as np
    import pandas as pd

    directory.mkdir(parents=True, exist_ok=True)
    names = lightgbm.Booster(model_file=model).feature_name()
    values = np.random.default_rng(20).standard_normal((rows, len(names))).round(6)
    frame = pd.DataFrame(values, columns=names)
    frame.to_csv(directory / "rows.csv", index=False)
    frame.to_parquet(directory / "rows.parquet", row_group_size=1 << 17)
    with open(directory / "rows.csv", "rb") as plain, gzip.open(directory / "rows.csv.gz", "wb", 6) as packed:
        shutil.copyfileobj(plain, packed)


def predict(model, source, target):
    import lightgbm
    import pandas as pd

    frame = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)
    predictions = pd.DataFrame({"prediction": lightgbm.Booster(model_file=model).predict(frame)})
    if target.suffix == ".parquet":
        predictions.to_parquet(target)
    else:
        predictions.to_csv(target, index=False)


def run(command):
    start = time.perf_counter()
    # This process has imported nothing large: a child's peak begins with its parent's.
    child = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ)
    _, status, usage = os.wait4(child, 0)
    taken = time.perf_counter() - start
    if status != 0:
        raise RuntimeError(f"the command failed: {command}")
    return [taken, usage.ru_maxrss * 1024]


def differs(one, other):
    import pandas as pd

    one, other = (pd.read_parquet(path).iloc[:, 0] for path in (one, other))
    if len(one) != len(other):
        raise ValueError("the numbers of rows differ")
    return [float((one - other).abs().max())]


def serve():
    for line in sys.stdin:
        what, _, rest = line.strip().partition(" ")
        try:
            numbers = run(rest) if what == "run" else differs(*rest.split())
            print("ok", *numbers, flush=True)
        except Exception as error:
            print("no", str(error).replace("\n", " "), flush=True)


match sys.argv[1:]:
    case ["make", directory, model, rows]:
        make(Path(directory), model, int(rows))
    case ["predict", model, source, target]:
        predict(model, Path(source), Path(target))
    case ["serve"]:
        serve()
    case _:
        sys.exit(__doc__)
