"""LightGBM's objects in memory."""

from __future__ import annotations

from typing import Any

from ._native import Model, _invalid_input

_ESTIMATORS = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel")


def from_lightgbm(model: Any) -> Model:
    """The model of a `lightgbm.Booster` or of a fitted estimator, with all its trees and its best iteration.

    Raises `InvalidInput` for an estimator that is not fitted, for other objects, and for models that stop a row's
    prediction before the last tree.
    """
    import lightgbm

    if isinstance(model, lightgbm.Booster):
        return _from_booster(model, "lightgbm.basic.Booster", None)
    name = next((cls.__name__ for cls in type(model).__mro__ if cls.__name__ in _ESTIMATORS), None)
    if name is None or not isinstance(model, lightgbm.LGBMModel):
        raise _invalid_input(
            f"the object is not a LightGBM model: `{type(model).__name__}`",
            "pass a `lightgbm.Booster`, or a fitted estimator of `lightgbm.sklearn`",
        )
    if getattr(model, "_Booster", None) is None:
        raise _invalid_input(f"the estimator is not fitted: `{name}`", "call `fit` first")
    _refuse_early_stop(model.get_params())
    classes = model.classes_ if name == "LGBMClassifier" else None
    return _from_booster(model.booster_, f"lightgbm.sklearn.{name}", classes)


def _from_booster(booster: Any, estimator: str, classes: Any) -> Model:
    _refuse_early_stop(booster.params or {})
    # By default the text ends at the best iteration.
    text: str = booster.model_to_string(num_iteration=-1)
    best = booster.best_iteration if booster.best_iteration > 0 else None
    return Model._from_parts(text.encode(), estimator, classes, best)


def _refuse_early_stop(params: dict[str, Any]) -> None:
    if params.get("pred_early_stop") not in (None, False, "false", 0):
        raise _invalid_input(
            "the predictions of the model stop before the last tree: `pred_early_stop`",
            "set the parameter to False; the trees do not change",
        )
