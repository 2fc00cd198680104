"""Models for code that expects MLflow's `PyFuncModel`: MLflow's checks of the input, the scorer of hydra-registry."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._native import Model
from .exceptions import InvalidModel

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

_VERSION = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


def load_model(model_uri: str) -> PyFuncModel:
    """Loads a LightGBM model as MLflow's `PyFuncModel`.

    `models:/NAME@ALIAS` and `models:/NAME/VERSION` are read by hydra-registry, from the stores of
    `mlflow.set_tracking_uri` and `mlflow.set_registry_uri`: the digest is checked, the file is cached, and no code of
    the model runs. MLflow downloads models with other URIs.

    `predict` checks its input against the signature as MLflow does, and takes the params `raw_score`, `pred_leaf`,
    `pred_contrib`, `start_iteration` and `num_iteration` (-1 for all), which MLflow's own flavor ignores. To offer
    them, the signature in `metadata` has a params schema, also if the logged one has none. The stored model stays as
    it is.

    Raises `MissingError` if there is no such version, `InvalidModel` if it is not a LightGBM model, and what
    `mlflow.artifacts.download_artifacts` raises.
    """
    if found := _VERSION.fullmatch(model_uri):
        from ._uris import registry

        opened = registry(found["name"])
        champion = opened.load(found["alias"] or int(found["version"]))
        return _pyfunc(champion, _metadata(opened.mlmodel(champion.version)))
    from mlflow.artifacts import download_artifacts

    home = Path(download_artifacts(model_uri))
    metadata = _metadata((home / "MLmodel").read_bytes())
    flavor = metadata.flavors.get("lightgbm")
    if not isinstance(flavor, dict):
        raise _invalid(f"the model is not one of LightGBM: `{model_uri}`", "load it with `mlflow.pyfunc.load_model`")
    # An `MLmodel` of somebody else must not name files of this machine.
    data = Path(flavor.get("data", "model.lgb"))
    if data.is_absolute() or ".." in data.parts:
        raise _invalid(f"the model file is outside of the model: `{model_uri}`", "log the model again")
    return _pyfunc(Model.load(home / data), metadata)


def _metadata(mlmodel: bytes) -> Any:
    import yaml
    from mlflow.models import Model as Metadata

    content = yaml.safe_load(mlmodel)
    if not isinstance(content, dict) or not isinstance(content.get("flavors", {}), dict):
        raise _invalid("the `MLmodel` does not describe a model", "log the model again")
    return Metadata.from_dict(content)


def _invalid(message: str, hint: str) -> InvalidModel:
    return InvalidModel(message, kind="invalid-model", category="data", hint=hint)


def _pyfunc(model: Model, metadata: Any) -> PyFuncModel:
    from mlflow.pyfunc import PyFuncModel

    _offer_params(metadata)
    arguments: dict[str, Any] = {"model_meta": metadata, "model_impl": _Scorer(model)}
    if "model_id" in inspect.signature(PyFuncModel.__init__).parameters:
        arguments["model_id"] = getattr(metadata, "model_id", None)
    return PyFuncModel(**arguments)


class _Scorer:
    """What `PyFuncModel` calls."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def get_raw_model(self) -> Model:
        """The model itself, as with MLflow's flavor."""
        return self.model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """The predictions of LightGBM's `predict`, with its options as params."""
        options = {name: value for name, value in (params or {}).items() if name in _PARAMS}
        if options.get("num_iteration", -1) < 0:
            options["num_iteration"] = None
        return self.model.predict(model_input, **options)


# The options of `Model.predict` that are params, with MLflow's types and their defaults.
_PARAMS: dict[str, tuple[str, Any]] = {
    "raw_score": ("boolean", False),
    "pred_leaf": ("boolean", False),
    "pred_contrib": ("boolean", False),
    "start_iteration": ("long", 0),
    "num_iteration": ("long", -1),
}


def _offer_params(metadata: Any) -> None:
    """Adds the params to the signature in memory, because MLflow drops those that the signature does not name."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec

    logged = metadata.signature
    params = list(logged.params.params) if logged and logged.params else []
    named = {param.name for param in params}
    params += [
        ParamSpec(name, kind, default) for name, (kind, default) in _PARAMS.items() if name not in named
    ]
    metadata.signature = ModelSignature(
        inputs=logged.inputs if logged else None,
        outputs=logged.outputs if logged else None,
        params=ParamSchema(params),
    )
