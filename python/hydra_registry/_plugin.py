"""The registry store of MLflow for URIs such as `hydra+http://server:5000`: MLflow's own store, behind the policy.

An unchanged `MlflowClient` or `mlflow` command with such a registry URI reads and writes as before, except where it
would move the champion past the policy: setting the alias `champion` asks for a promotion, and the other ways are
refused with the command that does it properly. hydra-registry itself writes to the URI without the prefix.

MLflow imports this module when it builds its first store, so the module imports nothing until a store is built.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exceptions import HydraError

_CHAMPION = "champion"
_ARCHIVED = "archived"
_REASON = "alias set through MLflow"

# MLflow's mark of a prompt, and the beginning of the tags that identify ledgers.
_PROMPT_TAG = "mlflow.prompt.is_prompt"
_LEDGER_TAGS = "hydra.ledger."
_LEDGER_OF = "hydra.ledger.model"
_ENTRY_TAGS = "hydra."


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
        meant = _meant(alias)
        if meant is None or self._is_prompt(name):
            super().set_registered_model_alias(name, alias, version)  # type: ignore[misc]
        elif alias == _CHAMPION:
            self._promote(name, _number(version))
        elif alias == _ARCHIVED:
            raise _refusal(f"cannot set alias `{alias}` of `{name}`: promotions and rollbacks move it", name)
        else:
            raise _refusal(f"cannot set alias `{alias}` of `{name}`: some databases take it for `{meant}`", name)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Refuses to delete `champion` and `archived`."""
        if _meant(alias) is not None:
            model = self.get_registered_model(name)  # type: ignore[attr-defined]
            # Another spelling can be an alias of its own.
            is_other = alias not in (_CHAMPION, _ARCHIVED) and alias in (model.aliases or {})
            if not is_other and not _prompt(model):
                raise _refusal(f"cannot delete alias `{alias}` of `{name}`: promotions and rollbacks move it", name)
        super().delete_registered_model_alias(name, alias)  # type: ignore[misc]

    def delete_model_version(self, name: str, version: Any) -> None:
        """Refuses to delete the version behind `champion` or `archived`."""
        number = _number(version)
        for alias, held in self._held(name).items():
            if int(held) == number:
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

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Refuses to make a prompt of a model, and to change the tags of its ledger."""
        self._require_plain(name, tag.key)
        super().set_registered_model_tag(name, tag)  # type: ignore[misc]

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Refuses to make a model of a prompt, and to delete the tags of a ledger."""
        self._require_plain(name, key)
        super().delete_registered_model_tag(name, key)  # type: ignore[misc]

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> None:
        """Refuses to change the entries of a ledger."""
        self._require_no_entry(name, tag.key)
        super().set_model_version_tag(name, version, tag)  # type: ignore[misc]

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> None:
        """Refuses to change the entries of a ledger."""
        self._require_no_entry(name, key)
        super().delete_model_version_tag(name, version, key)  # type: ignore[misc]

    def _require_no_entry(self, name: str, key: str) -> None:
        if key.startswith(_ENTRY_TAGS):
            self._changeable(name)

    def _require_plain(self, name: str, key: str) -> None:
        if key == _PROMPT_TAG or key.startswith(_LEDGER_TAGS):
            raise _refusal(f"cannot change tag `{key}` of `{name}`: it tells what the registered model is", name)

    def _promote(self, name: str, version: int) -> None:
        from mlflow.exceptions import MlflowException

        from ._uris import registry
        from .exceptions import HydraError

        registry_uri, tracking_uri = self._hydra_uris
        try:
            opened = registry(name, registry_uri=registry_uri, tracking_uri=tracking_uri)
            opened.promote_to_champion(version, reason=_REASON)
        except HydraError as error:
            text = f"version {version} of `{name}` did not become champion: {error}"
            hint = f"\nhint: {error.hint}" if error.hint else ""
            raise MlflowException(text + hint, error_code=_code(error)) from error

    def _require_free(self, verb: str, name: str) -> None:
        for alias, version in self._held(name).items():
            raise _refusal(f"cannot {verb} `{name}`: version {version} is its {alias}", name)

    def _held(self, name: str) -> dict[str, Any]:
        """The versions of the aliases that belong to the policy."""
        model = self._changeable(name)
        if _prompt(model):
            return {}
        aliases = model.aliases or {}
        return {alias: aliases[alias] for alias in (_CHAMPION, _ARCHIVED) if alias in aliases}

    def _changeable(self, name: str) -> Any:
        """The registered model. Refuses a ledger, which only hydra-registry writes."""
        model = self.get_registered_model(name)  # type: ignore[attr-defined]
        owner = (model.tags or {}).get(_LEDGER_OF)
        if owner is not None:
            raise _refusal(f"cannot change `{name}`: it is the lifecycle ledger of `{owner}`", owner)
        return model

    def _is_prompt(self, name: str) -> bool:
        """Whether the registered model is a prompt: these have aliases of the same names, and no policy."""
        return _prompt(self.get_registered_model(name))  # type: ignore[attr-defined]


def _prompt(model: Any) -> bool:
    """Whether MLflow marked the registered model as a prompt; MLflow before 2.21 has no prompts."""
    is_prompt = getattr(model, "_is_prompt", None)
    return bool(is_prompt and is_prompt())


def _meant(alias: str) -> str | None:
    """Which of the policy's aliases a database can take this one for. Many compare text without case and accents."""
    letters = unicodedata.normalize("NFKD", alias).casefold().replace("\u0131", "i")
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).strip()
    return plain if plain in (_CHAMPION, _ARCHIVED) else None


def _number(version: Any) -> int:
    """The number of a version, as MLflow takes it."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    text = str(version).strip()
    if text.isascii() and text.isdecimal() and 0 < int(text) < 2**63:
        return int(text)
    raise MlflowException(f"not the number of a version: {version!r}", error_code=INVALID_PARAMETER_VALUE)


def _code(error: HydraError) -> int:
    """The error code of MLflow for a promotion that failed."""
    from mlflow.protos import databricks_pb2 as codes

    by_category = {
        "missing": codes.RESOURCE_DOES_NOT_EXIST,
        "usage": codes.INVALID_PARAMETER_VALUE,
        "unavailable": codes.TEMPORARILY_UNAVAILABLE,
        "bug": codes.INTERNAL_ERROR,
    }
    code: int = by_category.get(error.category, codes.INVALID_STATE)
    return code


def _refusal(message: str, name: str) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_STATE

    hint = (
        f"run `hydra-registry --model {name} promote VERSION` or `hydra-registry --model {name} rollback`, "
        "which ask the policy and write the ledger"
    )
    return MlflowException(f"{message}\nhint: {hint}", error_code=INVALID_STATE)
