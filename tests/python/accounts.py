"""Creates an account of a server with `--app-name basic-auth`, or sets its permissions.

Usage: accounts.py URL USER PERMISSIONS

PERMISSIONS is a JSON list of [resource type, name, permission or null]. Experiments are named, not numbered. Every account has the
password "NAME-password", and "admin" may do everything.
"""

import json
import sys

import requests

url, user, permissions = sys.argv[1:]


def call(method, path, **arguments):
    return requests.request(method, f"{url}/api/{path}", auth=("admin", "admin-password"), timeout=60, **arguments)


created = call("POST", "2.0/mlflow/users/create", json={"username": user, "password": f"{user}-password"})
assert created.ok or "already exists" in created.text, created.text
for kind, name, permission in json.loads(permissions):
    if kind == "experiment":
        found = call("GET", "2.0/mlflow/experiments/get-by-name", params={"experiment_name": name})
        name = found.json()["experiment"]["experiment_id"]
    resource = {"username": user, "resource_type": kind, "resource_id": name}
    call("POST", "3.0/mlflow/users/permissions/revoke", json=resource)
    if permission:
        granted = call("POST", "3.0/mlflow/users/permissions/grant", json=resource | {"permission": permission})
        assert granted.ok, granted.text
print(json.dumps(True))
