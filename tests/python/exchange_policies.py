"""Pushes and pulls WebAssembly components with the Python package oras: a client that is not ours.

python exchange_policies.py pull HOST/REPOSITORY:TAG DIRECTORY
python exchange_policies.py push HOST/REPOSITORY:TAG FILE
"""

import json
import os
import sys
import tempfile

import oras.client


def main(verb: str, target: str, path: str) -> dict:
    client = oras.client.OrasClient(hostname=target.split("/", 1)[0], insecure=True)
    if verb == "pull":
        files = client.pull(target=target, outdir=path)
        return {"files": sorted(os.path.basename(file) for file in files)}
    with tempfile.TemporaryDirectory() as home:
        config = os.path.join(home, "config.json")
        with open(config, "w") as file:
            json.dump({"created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": []}, file)
        answer = client.push(
            target=target,
            files=[f"{path}:application/wasm"],
            manifest_config=f"{config}:application/vnd.wasm.config.v0+json",
            disable_path_validation=True,
        )
        return {"status": answer.status_code}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
