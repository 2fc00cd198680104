"""The registry store of MLflow for URIs such as `hydra+http://server:5000`: MLflow's own store, behind the policy.

An unchanged `MlflowClient` or `mlflow` command with such a registry URI reads and writes as before, except where it
would move the champion past the policy: setting the alias `champion` asks for a promotion, and the other ways are
refused with the command that does it properly. hydra-registry itself writes to the URI without the prefix.

MLflow imports this module when it builds its first store, so the module imports nothing until a store is built.
"""

from __future__ import annotations

from typing import Any

_CHAMPION = "champion"
_ARCHIVED = "archived"
_REASON = "alias set through MLflow"


def store(store_uri: str, tracking_uri: str | None = None) -> Any:
    """Builds the gated store. The entry points of the package name this function for the schemes `hydra+…`."""
    from mlflow.tracking._model_registry.utils import _get_store_registry

    from ._uris import bare

    uri = bare(store_uri)
    build = _get_store_registry().get_store_builder(uri)
    try:
        inner = build(store_uri=uri, tracking_uri=tracking_uri)
    except TypeError:
        # MLflow passes the tracking URI only to stores that take it.
        inner = build(store_uri=uri)
    kind = type(inner)
    inner.__class__ = type(f"Gated{kind.__name__}", (_Gate, kind), {})
    inner._hydra_uris = (uri, tracking_uri)
    return inner


class _Gate:
    """The methods of a registry store that could move the champion. The class of MLflow's store follows in the MRO."""

    _hydra_uris: tuple[str, str | None]

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Promotes the version if the alias is `champion`."""
        if alias == _CHAMPION and not self._is_prompt(name):
            self._promote(name, int(version))
        elif alias == _ARCHIVED and not self._is_prompt(name):
            raise _refusal(f"cannot set alias `{alias}` of `{name}`: promotions and rollbacks move it", name)
        else:
            super().set_registered_model_alias(name, alias, version)  # type: ignore[misc]

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Refuses to delete `champion` and `archived`."""
        if alias in (_CHAMPION, _ARCHIVED) and not self._is_prompt(name):
            raise _refusal(f"cannot delete alias `{alias}` of `{name}`: promotions and rollbacks move it", name)
        super().delete_registered_model_alias(name, alias)  # type: ignore[misc]

    def delete_model_version(self, name: str, version: Any) -> None:
        """Refuses to delete the version behind `champion` or `archived`."""
        for alias, held in self._held(name).items():
            if int(held) == int(version):
                raise _refusal(f"cannot delete version {version} of `{name}`: it is the {alias}", name)
        super().delete_model_version(name, version)  # type: ignore[misc]

    def delete_registered_model(self, name: str) -> None:
        """Refuses while `champion` or `archived` is set."""
        self._require_free("delete", name)
        super().delete_registered_model(name)  # type: ignore[misc]

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Refuses while `champion` or `archived` is set: the ledger belongs to the name."""
        self._require_free("rename", name)
        return super().rename_registered_model(name, new_name)  # type: ignore[misc]

    def _promote(self, name: str, version: int) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INVALID_STATE

        from ._uris import registry
        from .exceptions import HydraError

        registry_uri, tracking_uri = self._hydra_uris
        try:
            opened = registry(name, registry_uri=registry_uri, tracking_uri=tracking_uri)
            opened.promote_to_champion(version, reason=_REASON)
        except HydraError as error:
            text = f"version {version} of `{name}` did not become champion: {error}"
            hint = f"\nhint: {error.hint}" if error.hint else ""
            raise MlflowException(text + hint, error_code=INVALID_STATE) from error

    def _require_free(self, verb: str, name: str) -> None:
        for alias, version in self._held(name).items():
            raise _refusal(f"cannot {verb} `{name}`: version {version} is its {alias}", name)

    def _held(self, name: str) -> dict[str, Any]:
        """The versions of the aliases that belong to the policy."""
        model = self.get_registered_model(name)  # type: ignore[attr-defined]
        if _prompt(model):
            return {}
        aliases = model.aliases or {}
        return {alias: aliases[alias] for alias in (_CHAMPION, _ARCHIVED) if alias in aliases}

    def _is_prompt(self, name: str) -> bool:
        """Whether the registered model is a prompt: these have aliases of the same names, and no policy."""
        return _prompt(self.get_registered_model(name))  # type: ignore[attr-defined]


def _prompt(model: Any) -> bool:
    """Whether MLflow marked the registered model as a prompt; MLflow before 2.21 has no prompts."""
    is_prompt = getattr(model, "_is_prompt", None)
    return bool(is_prompt and is_prompt())


def _refusal(message: str, name: str) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_STATE

    hint = (
        f"run `hydra-registry --model {name} promote VERSION` or `hydra-registry --model {name} rollback`, "
        "which ask the policy and write the ledger"
    )
    return MlflowException(f"{message}\nhint: {hint}", error_code=INVALID_STATE)
