"""Compares the predictions of a program with LightGBM's.

Usage: parity.py PROGRAM FIXTURES

`PROGRAM` is a `hydra-registry`. `FIXTURES` has model texts (`NAME.txt`) and rows with LightGBM's answers (`NAME.json`). Raw scores
must be equal to the bit. Other outputs may differ by two units in the last place: `exp` comes from the C library, the one of the
program may round another way than the one that LightGBM used, and what is computed from it rounds again.
"""

import csv
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path


def features(model):
    line = next(line for line in model.read_text().splitlines() if line.startswith("feature_names="))
    return line.removeprefix("feature_names=").split()


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        # `None`, which is NaN in the fixtures, becomes an empty cell.
        writer.writerows(rows)


def predictions(program, model, rows, kind):
    command = [program, "predict", rows, "--model-file", model, "--output-type", kind]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [[number(cell or None) for cell in row] for row in list(csv.reader(answer.splitlines()))[1:]]


def number(cell):
    return math.nan if cell is None else float(cell)


def as_rows(expected):
    return [[number(cell) for cell in (row if isinstance(row, list) else [row])] for row in expected]


def check(name, kind, ours, theirs, units):
    assert len(ours) == len(theirs) > 0, f"{name}: {len(ours)} rows of {kind}, not {len(theirs)}"
    for number, (one, other) in enumerate(zip(ours, theirs)):
        for left, right in zip(one, other, strict=True):
            same = left == right or (math.isnan(left) and math.isnan(right))
            if not same and not abs(left - right) <= units * math.ulp(right):
                sys.exit(f"{name}, row {number}, {kind}: {left!r}, but LightGBM has {right!r}")


def main(program, fixtures):
    compared = 0
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory) / "rows.csv"
        for model in sorted(Path(fixtures).glob("*.txt")):
            expected = json.loads(model.with_suffix(".json").read_text())
            write(rows, features(model), expected["rows"])
            for kind, answer, units in (("raw", "raw", 0), ("output", "output", 2)):
                check(model.stem, kind, predictions(program, model, rows, kind), as_rows(expected[answer]), units)
            compared += 1
    if compared < 25:
        sys.exit(f"{fixtures} has only {compared} models")
    print(f"the predictions of {compared} models are LightGBM's")


main(*sys.argv[1:])
