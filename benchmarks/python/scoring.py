"""One engine of the scoring benchmark, controlled through standard input: one request and one answer per line.

Usage: scoring.py ENGINE MODEL_DIRECTORY      (ENGINE: lightgbm, onnxruntime, treelite, tl2cgen or lleaves)

The requests are those of the Rust side (`benchmarks/src/scoring.rs`), and `prepare`: the work that an engine needs once
per model before loading it, such as a conversion or a compilation. Answers are `ok` and numbers, or `no` and a reason.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np


class LightGbm:
    """LightGBM's own Python package."""

    def __init__(self):
        import lightgbm

        self.package = lightgbm

    def load(self, directory):
        self.model = self.package.Booster(model_file=directory / "model.txt")

    def predict(self, rows):
        return self.model.predict(rows, raw_score=True, num_threads=1)

    def contributions(self, rows):
        return self.model.predict(rows, pred_contrib=True, num_threads=1)


class OnnxRuntime:
    """ONNX Runtime on a model that onnxmltools converted; it computes in single precision."""

    def __init__(self):
        import onnxruntime

        self.package = onnxruntime

    def prepare(self, directory):
        import lightgbm
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        booster = lightgbm.Booster(model_file=directory / "model.txt")
        inputs = [("rows", FloatTensorType([None, booster.num_feature()]))]
        converted = onnxmltools.convert_lightgbm(booster, initial_types=inputs)
        (directory / "model.onnx").write_bytes(converted.SerializeToString())

    def load(self, directory):
        options = self.package.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = self.package.InferenceSession(
            directory / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def convert(self, rows):
        return rows.astype(np.float32)

    def predict(self, rows):
        return self.session.run(None, {"rows": rows})[0].ravel()


class Treelite:
    """Treelite's interpreter, GTIL."""

    def __init__(self):
        import treelite

        self.package = treelite

    def load(self, directory):
        self.model = self.package.frontend.load_lightgbm_model(directory / "model.txt")

    def predict(self, rows):
        return self.package.gtil.predict(self.model, rows, nthread=1, pred_margin=True).ravel()


class Tl2cgen:
    """Treelite's compiler to C."""

    def __init__(self):
        import tl2cgen

        self.package = tl2cgen

    def prepare(self, directory):
        import treelite

        model = treelite.frontend.load_lightgbm_model(directory / "model.txt")
        self.package.export_lib(
            model, toolchain="gcc", libpath=directory / "model.so", params={"parallel_comp": 32}, nthread=1
        )

    def load(self, directory):
        self.predictor = self.package.Predictor(directory / "model.so", nthread=1)

    def predict(self, rows):
        return self.predictor.predict(self.package.DMatrix(rows, dtype="float64"), pred_margin=True).ravel()


class Lleaves:
    """lleaves: a compiler that uses LLVM."""

    def __init__(self):
        import lleaves

        self.package = lleaves

    def compile(self, directory):
        self.model = self.package.Model(model_file=directory / "model.txt")
        self.model.compile(cache=directory / "model.lleaves", raw_score=True)

    def prepare(self, directory):
        (directory / "model.lleaves").unlink(missing_ok=True)
        self.compile(directory)

    def load(self, directory):
        self.compile(directory)

    def predict(self, rows):
        return self.model.predict(rows, n_jobs=1)


ENGINES = {
    "lightgbm": LightGbm, "onnxruntime": OnnxRuntime, "treelite": Treelite, "tl2cgen": Tl2cgen, "lleaves": Lleaves,
}


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class Session:
    def __init__(self, engine, directory):
        self.engine, self.directory = ENGINES[engine](), Path(directory)
        self.expected = np.fromfile(self.directory / "raw.f64", "<f8")
        self.rows = np.fromfile(self.directory / "rows.f64", "<f8").reshape(len(self.expected), -1)
        if hasattr(self.engine, "convert"):
            self.rows = self.engine.convert(self.rows)
        self.next = 0

    def prepare(self):
        if not hasattr(self.engine, "prepare"):
            return []
        return [timed(lambda: self.engine.prepare(self.directory))]

    def load(self):
        return [timed(lambda: self.engine.load(self.directory))]

    def batch(self):
        return [timed(lambda: self.engine.predict(self.rows))]

    def rows_for(self, seconds):
        """Scores single rows for a given time; answers the mean time of one row."""
        start, count = time.perf_counter(), 0
        while (taken := time.perf_counter() - start) < seconds:
            for _ in range(8):
                self.engine.predict(self.rows[self.next:self.next + 1])
                self.next = (self.next + 1) % len(self.rows)
            count += 8
        return [taken / count]

    def check(self):
        """The greatest difference from LightGBM's scores, and the number of scores that are not equal bit for bit."""
        scores = np.asarray(self.engine.predict(self.rows), dtype=np.float64)
        return [np.abs(scores - self.expected).max(), np.sum(scores != self.expected)]

    def contributions(self):
        """The time of the contributions of one row."""
        known = np.fromfile(self.directory / "contributions.f64", "<f8").reshape(-1, self.rows.shape[1] + 1)
        rows = self.rows[:len(known)]
        return [timed(lambda: self.engine.contributions(rows)) / len(rows)]

    def memory(self):
        """The peak memory of this process, in bytes."""
        unit = 1 if sys.platform == "darwin" else 1024
        return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit]

    def answer(self, request):
        what, *arguments = request.split()
        if what == "rows":
            return self.rows_for(float(arguments[0]))
        return {
            "prepare": self.prepare, "load": self.load, "batch": self.batch, "check": self.check, "memory": self.memory,
            "contributions": self.contributions,
        }[what]()


def main():
    session = Session(*sys.argv[1:])
    # The engines' output on standard output is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for request in sys.stdin:
        try:
            answer = "ok " + " ".join(str(float(number)) for number in session.answer(request))
        except Exception as error:
            answer = "no " + " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(answer, file=answers, flush=True)


main()
