"""Moves the aliases `champion`, `archived` and `candidate` at random with MLflow's client until stdin closes.

Usage: move_aliases.py URI MODEL VERSIONS SECONDS

VERSIONS is the greatest version that an alias is moved to, SECONDS the mean pause. Prints `ready`, and at the end the number of moves
as one JSON line. A store that is busy, or a request that fails, counts as no move.
"""

import json
import random
import select
import sys

from mlflow import MlflowClient

uri, model, versions, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
moves = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], random.uniform(0, 2 * seconds))[0]:
    alias = random.choice(["champion", "champion", "archived", "candidate"])
    try:
        client.set_registered_model_alias(model, alias, str(random.randint(1, versions)))
        moves += 1
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
print(json.dumps({"moves": moves}))
