#!/bin/sh
# Fills the corpora of the fuzz targets from the test fixtures.
set -eu
cd "$(dirname "$0")"
fixtures=../tests/fixtures
mkdir -p corpus/text corpus/pickle corpus/skops corpus/mlmodel corpus/scoring
seed() { # target file...
    target=$1
    shift
    for file in "$@"; do
        cp "$file" "corpus/$target/$(printf %s "${file#"$fixtures"/}" | tr / -)"
    done
}
seed text $(find "$fixtures" -name model.lgb -o -path "*/scores/*.txt")
seed pickle $(find "$fixtures" -name '*.pkl')
seed skops $(find "$fixtures" -name '*.skops')
seed mlmodel $(find "$fixtures" -name 'MLmodel')
# Text inside the JSON tree is out of reach for a fuzzer while checksums guard the archive: the tree itself, too.
for file in $(find "$fixtures" -name '*.skops'); do
    name=$(printf %s "${file#"$fixtures"/}" | tr / -)
    python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("schema.json"))' "$file" > "corpus/skops/$name.json"
done
# The bodies of requests; their first byte chooses a model and a reader.
python3 - "$fixtures/serving/cases.json" corpus/scoring << 'END'
import json, pathlib, sys
cases = [case for model in json.loads(pathlib.Path(sys.argv[1]).read_text())["models"] for case in model["cases"]]
readers = {"application/json": 0, "text/csv": 4, "application/vnd.apache.parquet": 5}
for number, case in enumerate(cases):
    body = bytes.fromhex(case["hex"]) if "hex" in case else case["body"].encode()
    pathlib.Path(sys.argv[2], f"{number}").write_bytes(bytes([readers[case["type"]] * 3 + number % 3]) + body)
END
for target in text pickle skops mlmodel scoring; do
    printf '%s: %s seeds\n' "$target" "$(ls "corpus/$target" | wc -l)"
done
