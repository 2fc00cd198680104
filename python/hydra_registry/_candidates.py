"""Models on their way into the registry: what `ModelRegistry.log_candidate` takes, as files that Rust reads."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .exceptions import InvalidModel, UsageError

_ESTIMATORS = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel")


@contextlib.contextmanager
def saved(model: Any) -> Iterator[dict[str, Any]]:
    """Saves a model in a directory that goes away afterwards, and describes it for the extension.

    `model` is an estimator or a booster of LightGBM, an object with one as `.model`, or a path of a file of LightGBM's text.
    """
    if isinstance(model, (str, os.PathLike)):
        yield {"file": os.path.abspath(model)}
        return
    model = _lightgbm_object(model)
    with tempfile.TemporaryDirectory(prefix="hydra-registry-") as home:
        if _is_booster(model):
            yield {"file": str(_save_text(model, Path(home)))}
        elif _has_mlflow():
            yield {"directory": _save_estimator(model, Path(home, "model"))}
        else:
            warnings.warn(
                "MLflow is not installed: the booster is logged without its estimator, so that predictions are scores instead "
                "of labels; install `hydra-registry[mlflow]` to keep it",
                stacklevel=4,
            )
            yield {"file": str(_save_text(model.booster_, Path(home)))}


def _lightgbm_object(model: Any) -> Any:
    """The model itself, or what it wraps as `.model`."""
    for one in (model, getattr(model, "model", None)):
        if _is_booster(one) or _is_estimator(one):
            return one
    raise UsageError(
        f"the object is not a LightGBM model: `{type(model).__name__}`",
        kind="invalid-argument",
        category="usage",
        hint="pass a fitted estimator, a `Booster`, an object with one of them as `.model`, or a path",
    )


def _class_names(model: Any) -> list[str]:
    """The names of the classes of LightGBM that the object is of. A model of LightGBM exists only if it is imported."""
    if "lightgbm" not in sys.modules:
        return []
    return [cls.__name__ for cls in type(model).__mro__ if cls.__module__.split(".")[0] == "lightgbm"]


def _is_booster(model: Any) -> bool:
    return "Booster" in _class_names(model)


def _is_estimator(model: Any) -> bool:
    return any(name in _ESTIMATORS for name in _class_names(model))


def _has_mlflow() -> bool:
    """Whether MLflow's flavor for estimators can be used: `mlflow-skinny` does not have it."""
    try:
        import mlflow.lightgbm  # noqa: F401
    except ImportError:
        return False
    return True


def _save_text(booster: Any, home: Path) -> Path:
    """The booster's text. MLflow saves a booster in the same way, up to the best iteration."""
    path = home / "model.lgb"
    booster.save_model(str(path))
    return path


def _save_estimator(model: Any, path: Path) -> dict[str, Any]:
    """A model directory of MLflow's flavor, with the model as MLflow would log it.

    Without a signature, as MLflow saves a model without an example: columns of doubles, which is all that a booster knows, would
    make MLflow refuse arrays, and frames with integers and booleans. With explicit requirements: MLflow would find them in
    another process.
    """
    import mlflow.lightgbm
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    if getattr(model, "_Booster", None) is None:
        raise UsageError(
            f"the estimator is not fitted: `{type(model).__name__}`",
            kind="invalid-argument",
            category="usage",
            hint="call `fit` first",
        )
    options: dict[str, Any] = {"pip_requirements": _requirements()}
    if "skops_trusted_types" in inspect.signature(mlflow.lightgbm.save_model).parameters:
        # MLflow's own list lacks some of LightGBM's estimators.
        options["skops_trusted_types"] = [f"lightgbm.sklearn.{name}" for name in _class_names(model)]
    try:
        mlflow.lightgbm.save_model(model, str(path), **options)
    except MlflowException as error:
        raise InvalidModel(
            f"MLflow does not save the estimator: {error.message}",
            kind="unsupported-model",
            category="data",
            hint="pass its booster, `model.booster_`, if the estimator has objects of your own, such as an objective",
        ) from error
    return {"path": str(path), "mlmodel": Model.load(str(path)).to_dict()}


def _requirements() -> list[str]:
    """What loads the saved estimator: MLflow's own list for its default format, and what the list takes for granted."""
    import mlflow.lightgbm
    import sklearn

    listed = mlflow.lightgbm.get_default_pip_requirements
    formats = inspect.signature(listed).parameters
    format_option = "include_skops" if "include_skops" in formats else "include_cloudpickle"
    return [
        f"mlflow=={mlflow.__version__}",
        f"scikit-learn=={sklearn.__version__}",
        *listed(**{format_option: True}),
    ]
