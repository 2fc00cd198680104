"""Validates documents, one per line of a file, against the JSON Schemas in docs/schemas."""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator


def strict(schema: dict) -> dict:
    """The schema, without room for fields that it does not describe."""
    named = [schema, *(one for name, one in schema.get("$defs", {}).items() if name.endswith("Report"))]
    for one in named:
        if "properties" in one and not any(word in one for word in ("oneOf", "anyOf", "allOf", "$ref")):
            one.setdefault("additionalProperties", False)
    return schema


def main(schemas: Path, documents: Path) -> None:
    validators: dict[str, Draft202012Validator] = {}
    for file in schemas.glob("*.json"):
        schema = json.loads(file.read_text())
        Draft202012Validator.check_schema(schema)
        validators[f"hydra-registry/{file.stem}/1"] = Draft202012Validator(strict(schema))
    problems: list[str] = []
    seen: set[str] = set()
    for line in documents.read_text().splitlines():
        document = json.loads(line)
        name = document["schema"]
        seen.add(name.split("/")[1])
        validator = validators.get(name)
        if validator is None:
            problems.append(f"{name}: there is no schema")
            continue
        for error in validator.iter_errors(document):
            problems.append(f"{name} at {error.json_path}: {error.message[:300]}")
    unseen = sorted({name.split("/")[1] for name in validators} - seen)
    print(json.dumps({"problems": problems, "unseen": unseen}))


main(Path(sys.argv[1]), Path(sys.argv[2]))
