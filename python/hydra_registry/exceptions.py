"""The exceptions of `hydra_registry`: one tree, with a class for each category of failures.

Catch `HydraError` for all of them, a category for what a program can treat alike, and look at `kind` for a single
failure. Kinds do not change between releases.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reports import Transition

__all__ = [
    "DataError",
    "Held",
    "HydraError",
    "IntegrityError",
    "InternalError",
    "InvalidInput",
    "InvalidModel",
    "LedgerError",
    "MissingError",
    "NoArchived",
    "NoCandidate",
    "NoChampion",
    "PolicyError",
    "RefusedError",
    "Rejected",
    "Staged",
    "Timeout",
    "UnavailableError",
    "UsageError",
    "WorkerDied",
]


class HydraError(Exception):
    """A failure of hydra-registry.

    Attributes
    ----------
    kind
        What went wrong, in kebab case, such as `no-champion`.
    category
        The group of the kind: `usage`, `missing`, `refused`, `unavailable`, `data`, `policy`, `ledger` or `bug`.
    message
        The message alone.
    context
        The values of this occurrence by name, such as `model` or `path`.
    hint
        What to do about it, or `None`.
    retryable
        Whether the same call may succeed later without any change.
    causes
        The messages of the errors that caused this one, the nearest first.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        category: str,
        context: dict[str, str] | None = None,
        hint: str | None = None,
        retryable: bool = False,
        causes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.category = category
        self.context = dict(context or {})
        self.hint = hint
        self.retryable = retryable
        self.causes = tuple(causes)
        if sys.version_info >= (3, 11):
            for cause in self.causes:
                self.add_note(f"caused by: {cause}")
            if hint is not None:
                self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        if not self.context:
            return self.message
        return f"{self.message} ({', '.join(f'{key}: {value}' for key, value in self.context.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.message, self._state())

    def _state(self) -> dict[str, Any]:
        names = ("kind", "category", "context", "hint", "retryable", "causes")
        return {name: getattr(self, name) for name in names}


class UsageError(HydraError, ValueError):
    """The settings, names or arguments of the caller are wrong."""


class MissingError(HydraError, LookupError):
    """What a call names, or needs to be set, does not exist."""


class RefusedError(HydraError):
    """The store, the server or the policy understood the request and refused it."""


class UnavailableError(HydraError, ConnectionError):
    """A server, a disk, a lock or another writer was in the way. The call may succeed later."""


class DataError(HydraError, ValueError):
    """A model, a table, an answer or a database is damaged, not supported or not to be trusted."""


class PolicyError(HydraError, RuntimeError):
    """The policy is at fault: it cannot be loaded or run, or its answer breaks a rule."""


class LedgerError(HydraError, RuntimeError):
    """The ledger is damaged, belongs to another model, or was written by a newer release."""


class InternalError(HydraError, RuntimeError):
    """A defect of hydra-registry."""


class _OnlyMessage(MissingError, ValueError):
    """A failure whose text is the message of the project that this one began as, without any context."""

    def __str__(self) -> str:
        return self.message


class NoChampion(_OnlyMessage):
    """The alias `champion` is not set: "No champion model set"."""


class NoArchived(_OnlyMessage):
    """There is no version to roll back to: "No archived model to rollback to"."""


class NoCandidate(MissingError):
    """The alias `candidate` is not set."""


class _NotDone(RefusedError, ValueError):
    """A decision after which the champion is not the requested one."""

    def __init__(self, message: str, *, transition: Transition | None = None, **state: Any) -> None:
        super().__init__(message, **state)
        self.explanation = message
        self.transition = transition

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "transition": self.transition}


class Rejected(_NotDone):
    """The policy said no. `explanation` has its words, `transition` the whole decision."""


class Held(_NotDone):
    """The policy said not yet. `explanation` has its words, `transition` the whole decision."""


class Staged(_NotDone):
    """The policy approved and moved other aliases only: the champion stays."""


class Timeout(UnavailableError, TimeoutError):
    """The server did not answer in time."""


class WorkerDied(UnavailableError):
    """The process that opens the SQLite database ended in the middle of a call. The next call starts another one."""


class InvalidInput(DataError):
    """Rows are damaged, or do not fit the model."""


class InvalidModel(DataError):
    """A model file is damaged or not supported."""


class IntegrityError(DataError):
    """Bytes are not those that were logged."""


_CATEGORIES: dict[str, type[HydraError]] = {
    "usage": UsageError,
    "missing": MissingError,
    "refused": RefusedError,
    "unavailable": UnavailableError,
    "data": DataError,
    "policy": PolicyError,
    "ledger": LedgerError,
    "bug": InternalError,
}

_KINDS: dict[str, type[HydraError]] = {
    "no-champion": NoChampion,
    "no-archived": NoArchived,
    "no-candidate": NoCandidate,
    "rejected": Rejected,
    "held": Held,
    "timeout": Timeout,
    "worker-died": WorkerDied,
    "invalid-data": InvalidInput,
    "missing-columns": InvalidInput,
    "invalid-model": InvalidModel,
    "unsupported-model": InvalidModel,
    "integrity": IntegrityError,
}


def from_failure(failure: bytes) -> HydraError:
    """The exception of a failure that the extension describes in JSON."""
    state: dict[str, Any] = json.loads(failure)
    cls = _KINDS.get(state["kind"]) or _CATEGORIES.get(state["category"], HydraError)
    return cls(
        state.pop("message"),
        context=dict(state.pop("context")),
        causes=tuple(state.pop("causes")),
        **state,
    )


def _restore(cls: type[HydraError], message: str, state: dict[str, Any]) -> HydraError:
    """Makes a pickled exception again."""
    return cls(message, **state)
