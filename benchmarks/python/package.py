"""The Python package and LightGBM's, MLflow's and Spark's ways to do the same, in one process that alternates.

Usage: package.py MODEL_DIRECTORY HOME      (the directory of `make_models.py`; a directory for what this script writes)

One request per line, one answer per line: `ok` and numbers, or `no` and a reason.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MODELS, HOME = Path(sys.argv[1]), Path(sys.argv[2])


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def best(rounds, *actions):
    """The best time of each action, in turns."""
    found = [float("inf")] * len(actions)
    for _ in range(rounds):
        for place, action in enumerate(actions):
            found[place] = min(found[place], timed(action))
    return found


def both(shape):
    """A model in both packages, and its rows."""
    import lightgbm

    from hydra_registry import Model

    text = MODELS / shape / "model.txt"
    rows = np.fromfile(MODELS / shape / "rows.f64", "<f8").reshape(20_000, -1)
    return Model.load(text), lightgbm.Booster(model_file=text), rows


def imports(rounds):
    """The time of the import beyond NumPy's, in a new process each."""
    code = "import numpy, time; start = time.perf_counter(); import hydra_registry; print(time.perf_counter() - start)"

    def once():
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)

    return [min(once() for _ in range(int(rounds)))]


def row(shape, rounds):
    """One row per call: seconds of a call, ours and LightGBM's."""
    ours, theirs, rows = both(shape)
    one = rows[:1].copy()
    predict, calls = ours.predict, 1_000

    def many():
        for _ in range(calls):
            predict(one)

    def few():
        for _ in range(calls // 10):
            theirs.predict(one, num_threads=1)

    found = best(int(rounds), many, few)
    return [found[0] / calls, found[1] / (calls // 10)]


def batch(shape, rounds):
    """100,000 rows of one array, on one thread: seconds, ours and LightGBM's."""
    ours, theirs, rows = both(shape)
    rows = np.tile(rows, (5, 1))
    return best(
        int(rounds),
        lambda: ours.predict(rows, raw_score=True, n_threads=1),
        lambda: theirs.predict(rows, raw_score=True, num_threads=1),
    )


def frame(rounds):
    """100,000 rows of a pandas frame of 20 doubles in one block, on one thread: seconds, ours and LightGBM's."""
    import pandas as pd

    ours, theirs, rows = both("small")
    table = pd.DataFrame(np.tile(rows, (5, 1)), columns=ours.feature_name_)
    assert (ours.predict(table) == theirs.predict(table)).all()
    return best(int(rounds), lambda: ours.predict(table, n_threads=1), lambda: theirs.predict(table, num_threads=1))


def memory(order):
    """The growth of the peak memory by scoring an array in this order, as a share of the array."""
    code = (
        "import sys, numpy as np, resource\n"
        "from hydra_registry import Model\n"
        "model = Model.load(sys.argv[1])\n"
        "rows = np.zeros((2_000_000, 20), order=sys.argv[2])\n"
        "rows[:] = 0.5\n"
        "model.predict(rows[:10].copy(order=sys.argv[2]))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "answer = model.predict(rows, n_threads=1)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(((after - before) * 1024 - answer.nbytes) / rows.nbytes)\n"
    )
    command = [sys.executable, "-c", code, str(MODELS / "small/model.txt"), order]
    return [max(0.0, float(subprocess.run(command, capture_output=True, check=True, text=True).stdout))]


def champion(uri, rounds):
    """Loading the champion from a server: seconds of our first call without and a second call, and of MLflow's."""
    import lightgbm
    import mlflow

    from hydra_registry import ModelRegistry

    name = f"bench-{os.getpid()}"
    registry = ModelRegistry(uri, name)
    registry.log_candidate(lightgbm.Booster(model_file=MODELS / "small/model.txt"), {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    mlflow.set_tracking_uri(uri)
    loaded = f"models:/{name}@champion"
    mlflow.lightgbm.load_model(loaded)
    first, second, theirs = [], [], []
    for _ in range(int(rounds)):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["HYDRA_CACHE_DIR"] = cache
            # The connection exists, as it does in MLflow's client.
            registry = ModelRegistry(uri, name)
            registry.champion_info()
            first.append(timed(registry.load_champion))
            second.append(timed(registry.load_champion))
        theirs.append(timed(lambda: mlflow.lightgbm.load_model(loaded)))
    return [float(np.median(times)) for times in (first, second, theirs)]


def spark(rounds):
    """1,000,000 rows of Parquet through Spark on one core: seconds, ours and `spark_udf`; the share outside predict."""
    import lightgbm
    import mlflow
    import pyarrow as pa
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import struct

    from hydra_registry import Model, Scorer
    from hydra_registry.spark import map_in_arrow

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    model, booster, rows = both("small")
    names, home = model.feature_name_, Path(tempfile.mkdtemp(dir=HOME))
    table = pa.table(list(np.tile(rows, (50, 1)).T), names)
    import pyarrow.parquet as pq

    pq.write_table(table, home / "rows.parquet")
    mlflow.lightgbm.save_model(booster, home / "model", pip_requirements=["lightgbm"])
    frame = session.read.parquet(str(home / "rows.parquet"))
    udf = mlflow.pyfunc.spark_udf(session, str(home / "model"), result_type="double", env_manager="local")

    def write(scored):
        scored.write.format("noop").mode("overwrite").save()

    ours, theirs = best(
        int(rounds),
        lambda: write(frame.transform(map_in_arrow(model))),
        lambda: write(frame.withColumn("prediction", udf(struct(*names))).select("prediction")),
    )
    session.stop()
    scorer = Scorer(model)
    part = table.slice(0, 10_000).combine_chunks().to_batches()[0]
    whole, inside = best(20, lambda: scorer(part), lambda: model._predict_arrow(part, "predict", [], 1))
    return [ours, theirs, max(0.0, 1 - inside / whole)]


def peak():
    """The peak memory of this process, in bytes."""
    return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0]


REQUESTS = {function.__name__: function for function in (imports, row, batch, frame, memory, champion, spark, peak)}

for request in sys.stdin:
    name, *arguments = request.split()
    try:
        print("ok", *REQUESTS[name](*arguments), flush=True)
    except Exception as error:
        print("no", f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)
