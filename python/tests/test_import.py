"""What `import hydra_registry` costs, and what it must not import."""

from __future__ import annotations

import subprocess
import sys

import hydra_registry


def imported_by(statement: str) -> set[str]:
    """The modules of a fresh interpreter after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(output.stdout.split())


def test_the_release_is_that_of_the_wheel() -> None:
    from importlib.metadata import version

    assert hydra_registry.__version__ == version("hydra-registry")


def test_the_import_loads_no_heavy_package() -> None:
    found = imported_by("import hydra_registry")
    assert "hydra_registry._native" in found
    assert not found & {"pandas", "pyarrow", "polars", "mlflow", "lightgbm", "sklearn", "sqlite3", "_sqlite3"}


def test_completion_knows_what_is_imported_later() -> None:
    script = "import hydra_registry; assert set(hydra_registry.__all__) <= set(dir(hydra_registry))"
    subprocess.run([sys.executable, "-c", script], check=True)
