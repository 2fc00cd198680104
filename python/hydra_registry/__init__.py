"""The champion lifecycle for LightGBM models on MLflow, and fast exact predictions."""

from __future__ import annotations

from ._native import Champion, Model, __version__

__all__ = ["Champion", "Model", "__version__"]
