"""`ModelRegistry`: the lifecycle of a registered model."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from . import _arguments, _calls, _candidates
from ._calls import DEFAULT_MODEL
from ._native import Champion, Registry
from ._process import command
from .exceptions import Held, MissingError, NoArchived, Rejected, Staged
from .reports import (
    ActivePolicy,
    Candidate,
    ChampionAt,
    ChampionInfo,
    Entry,
    Evaluation,
    Finding,
    ModelStatus,
    ModelVersion,
    PolicyStatement,
    Statement,
    Transition,
    VersionInfo,
)

__all__ = ["DEFAULT_MODEL", "ModelRegistry"]

StrPath: TypeAlias = "str | os.PathLike[str]"

_PAGE = 500


class ModelRegistry:
    """A registered model of an MLflow registry, whose champion a policy decides on.

    Parameters
    ----------
    tracking_uri
        `http(s)://…`, `sqlite:///…`, `file:…` or a path. By default `MLFLOW_TRACKING_URI`, `hydra.toml`, or the project's
        own store, as for the command line.
    model_name
        The registered model. The default stands for `HYDRA_MODEL` and `hydra.toml`, if they name one.
    policy
        The component file of the policy, or `NAME=FILE`. Of several, the first one leads and the others are gates. By
        default `HYDRA_POLICY`, `hydra.toml`, or the embedded policy.
    settings
        Settings of the policy by key; of several policies, `NAME.KEY` for the one of that name. Values are texts, numbers,
        booleans, or lists of them.
    actor
        The name of the caller, for the ledger and for policies. By default `HYDRA_ACTOR`, `MLFLOW_TRACKING_USERNAME`, or the
        login name.
    registry_uri
        Where the versions are, if not at the tracking URI. By default `MLFLOW_REGISTRY_URI` or `hydra.toml`.

    Making one checks all settings and sends no request. Threads can share it. A SQLite database is opened by a process of its
    own, because Python's copy of SQLite must not have it open in the same process.

    All methods raise `HydraError`: `UnavailableError` if the store does not answer, and what they name themselves. Ctrl-C ends
    a call.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        model_name: str = DEFAULT_MODEL,
        *,
        policy: StrPath | Sequence[StrPath] | None = None,
        settings: Mapping[str, object] | None = None,
        actor: str | None = None,
        registry_uri: str | None = None,
    ) -> None:
        policies = [policy] if isinstance(policy, (str, os.PathLike)) else list(policy or ())
        self._registry = Registry(
            _arguments.encoded(
                {
                    "cwd": os.getcwd(),
                    "environment": _arguments.environment(),
                    "tracking_uri": None if tracking_uri is None else str(tracking_uri),
                    "registry_uri": None if registry_uri is None else str(registry_uri),
                    "model": _arguments.text("model_name", model_name) if _calls.is_given(model_name) else None,
                    "actor": _arguments.text("actor", actor),
                    "policies": [_calls.policy(one) for one in policies],
                    "settings": {key: _calls.setting(value) for key, value in (settings or {}).items()},
                    "compiler": command("compiler_main"),
                }
            )
        )

    def log_candidate(
        self,
        model: Any,
        metrics: Mapping[str, float],
        config: Mapping[str, Any],
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> tuple[str, int]:
        """Logs a trained model as a candidate: a run with metrics, configuration and tags, the model, and a version with the
        alias `candidate`.

        `model` is an `LGBMClassifier`, `LGBMRegressor` or `LGBMRanker`, a `Booster`, an object with one of them as `.model`, or
        the path of a file of LightGBM's text. An estimator stays one for `mlflow.lightgbm.load_model` if MLflow is installed;
        otherwise its booster is logged, with a warning that labels are not kept.

        Returns the id of the run and the number of the version. If a step fails, or Ctrl-C interrupts it, the run ends as
        FAILED and no version stays registered. Raises `UsageError` for metrics that are not finite numbers, `InvalidModel` for a
        model that could not be loaded again.
        """
        with _candidates.saved(model) as source:
            document = self._call(
                "log",
                {
                    "source": source,
                    "metrics": _arguments.metrics(metrics),
                    "config": _arguments.config(config),
                    "tags": {**_calls.source_tags(), **_arguments.tags(tags)},
                    "run_name": _arguments.text("run_name", run_name),
                },
            )
        candidate = Candidate.from_json(document)
        return candidate.run_id, candidate.version

    def promote_to_champion(self, version: int, *, reason: str | None = None) -> None:
        """Makes a version the champion, if the policy agrees. The former champion becomes archived.

        Raises `Rejected` or `Held` with the policy's words, and `Staged` if the policy agrees and the champion stays.
        """
        transition = self.promote(version, reason=reason)
        if transition.outcome == "staged":
            raise Staged(transition.explanation, kind="staged", category="refused", transition=transition)

    def rollback(self) -> int:
        """Returns to the archived version, and answers the number of the champion.

        Raises `NoArchived` ("No archived model to rollback to"), `Rejected`, `Held`.
        """
        transition = self.roll_back()
        moved = next((change.after for change in transition.changes if change.alias == "champion"), None)
        if moved is None:
            raise Staged(transition.explanation, kind="staged", category="refused", transition=transition)
        return moved

    def load_champion(self) -> Champion:
        """Loads the champion, a `Model`. A second call reads nothing again if the champion is the same.

        Raises `NoChampion` ("No champion model set"), `IntegrityError` if the file is not the one that was logged.
        """
        return self.load("champion")

    def get_champion_info(self) -> dict[str, Any]:
        """Describes the champion: `version`, `run_id`, `metrics`, `tags` (of the run) and `created_at` (milliseconds since 1970).

        Raises `NoChampion` ("No champion model set").
        """
        info = self.champion_info()
        return {
            "version": info.version,
            "run_id": info.run_id,
            "metrics": info.metrics,
            "tags": info.tags,
            "created_at": _arguments.milliseconds(info.created_at),
        }

    def list_versions(self) -> list[dict[str, Any]]:
        """All versions, newest first, each with `version`, `run_id`, `aliases` and `created_at` (milliseconds since 1970).

        A registered model that does not exist has none; `iter_versions` raises `MissingError` for it.
        """
        try:
            versions = list(self.iter_versions())
        except MissingError as error:
            if error.kind != "model-not-found":
                raise
            versions = []
        return [
            {
                "version": info.version,
                "run_id": info.run_id,
                "aliases": list(info.aliases),
                "created_at": _arguments.milliseconds(info.created_at),
            }
            for info in versions
        ]

    def promote(
        self,
        version: int | None = None,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        evaluate: Any = None,
        label: str | None = None,
        dataset: str | None = None,
        override_policy: bool = False,
    ) -> Transition:
        """Asks the policy to make a version the champion, by default the candidate.

        With `dry_run`, nothing is changed or recorded, and a refusal is an outcome of the transition instead of an exception.
        With `evaluate`, the version and the champion are first measured on these rows, with the labels in the column `label`, and
        the policy receives the evaluation. See `evaluate` for both and for `dataset`. With `override_policy` and a `reason`, the
        policies of this registry decide although others are active for the model; the ledger records that.

        The outcome is `done`, `staged` (approved, the champion stays) or `unchanged`. Raises `Rejected` and `Held`.
        """
        with contextlib.ExitStack() as stack:
            measure = None
            if evaluate is not None:
                measure = stack.enter_context(_calls.measured(evaluate, label, dataset=dataset))
            call = {**_calls.decision(version, reason, dry_run, override_policy), "measure": measure}
            return self._decide("promote", call)

    def roll_back(
        self,
        version: int | None = None,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        quarantine: bool = False,
        override_policy: bool = False,
    ) -> Transition:
        """Asks the policy to return to a former champion, by default the archived version.

        With `quarantine`, the version that stops being champion cannot become champion again until it is released. The rest is
        as in `promote`. Raises `NoArchived`, `Rejected`, `Held`.
        """
        call = {**_calls.decision(version, reason, dry_run, override_policy), "quarantine": bool(quarantine)}
        try:
            return self._decide("rollback", call)
        except MissingError as error:
            if version is not None or error.kind != "model-not-found":
                raise
            raise NoArchived(
                "No archived model to rollback to",
                kind="no-archived",
                category="missing",
                context=error.context,
                hint=error.hint or "check the name and the tracking URI; `log_candidate` makes the registered model",
            ) from error

    def evaluate(
        self,
        rows: Any,
        *,
        label: str,
        versions: Iterable[int | str] | int | str | None = None,
        metrics: Sequence[str] | None = None,
        weight: str | None = None,
        group: str | None = None,
        segments: Sequence[str] = (),
        dataset: str | None = None,
        record: bool = True,
    ) -> Evaluation:
        """Measures versions on the same labelled rows, with paired intervals.

        `rows` is a file (CSV, Parquet, Arrow, JSON lines), a directory of them, or a table with `__arrow_c_stream__`, such as a
        polars frame, a pyarrow table, or a pandas frame if pyarrow is installed. `versions` are numbers and aliases, by default
        the champion and the candidate. `label`, `weight`, `group` and `segments` are columns. `dataset` names the rows; a file
        has the name of its stem. With `record`, a run and tags of the versions keep the evaluation, and decisions follow it.

        Raises `DataError` for rows that do not fit, `UsageError` for metrics that the models do not have.
        """
        with _calls.measured(rows, label, metrics, weight, group, segments, dataset) as measure:
            selected = [_arguments.selector(one) for one in _arguments.several(versions)]
            call = {"measure": measure, "versions": selected, "record": bool(record)}
            return Evaluation.from_json(self._call("evaluate", call))

    def nominate(self, version: int, *, reason: str | None = None) -> Statement:
        """Makes a version the candidate: any version, also one that another program registered."""
        return self._state("nominate", version, reason)

    def approve(self, version: int, *, reason: str | None = None, expires: timedelta | None = None) -> Statement:
        """Approves a version, for policies that ask for approvals. A promotion uses it up; without one it lasts `expires`."""
        return self._state("approve", version, reason, expires)

    def quarantine(self, version: int, *, reason: str) -> Statement:
        """Puts a version in quarantine: it cannot become champion until it is released. No alias moves."""
        return self._state("quarantine", version, reason)

    def release(self, version: int, *, reason: str | None = None) -> Statement:
        """Ends the quarantine of a version."""
        return self._state("release", version, reason)

    def activate_policy(
        self, *, reason: str | None = None, activation_approvals: int | None = None, dry_run: bool = False
    ) -> PolicyStatement:
        """Makes the policies of this registry the active ones of the model: every host decides by them from then on.

        Before another policy takes their place, `activation_approvals` people other than the requester must approve; by default
        `activation-approvals` in `hydra.toml`, or none.

        Raises `UsageError` if neither an argument nor the environment nor `hydra.toml` names a policy, and `RefusedError` if the
        policy that is active asks for more approvals before it changes.
        """
        return self._state_policy(
            "activate_policy",
            reason=reason,
            activation_approvals=_arguments.approvals(activation_approvals),
            dry_run=bool(dry_run),
        )

    def deactivate_policy(self, *, reason: str | None = None, dry_run: bool = False) -> PolicyStatement:
        """Ends the active policy of the model: each host decides by its own again."""
        return self._state_policy("deactivate_policy", reason=reason, dry_run=bool(dry_run))

    def approve_policy(
        self,
        policy: str | None = None,
        *,
        deactivation: bool = False,
        reason: str | None = None,
        expires: timedelta | None = None,
    ) -> PolicyStatement:
        """Approves that a policy becomes the active one: by its digest, or the policies of this registry.

        With `deactivation`, it approves that no policy is active any more. The change uses the approval up; without one it lasts
        `expires`.
        """
        digest = _arguments.text("policy", policy)
        if digest is None and not deactivation:
            digest = self._call("policy_digest")
        return self._state_policy(
            "approve_policy",
            policy=None if deactivation else digest,
            reason=reason,
            expires_seconds=_calls.seconds(expires),
        )

    def active_policy(self) -> ActivePolicy:
        """The active policy of the model, and the approvals of other ones. Its `policy` is `None` if none is active."""
        return ActivePolicy.from_json(self._call("active_policy"))

    def load(self, version: int | str) -> Champion:
        """Loads the model of a version, by its number or an alias."""
        return self._registry.load(_arguments.encoded(_arguments.selector(version)))

    def champion_info(self) -> ChampionInfo:
        """Describes the champion. Raises `NoChampion`."""
        return ChampionInfo.from_json(self._call("champion_info"))

    def champion_at(self, when: datetime) -> ChampionAt | None:
        """The champion at a time, according to the ledger; `None` before the ledger began. A time without a zone is in UTC."""
        document = self._call("champion_at", {"at": _arguments.milliseconds(when)})
        return None if document is None else ChampionAt.from_json(document)

    def describe(self, version: int | str = "champion") -> ModelVersion:
        """Describes a version, by its number or an alias, with its run and its model file, which is opened for it."""
        return ModelVersion.from_json(self._call("describe", _arguments.selector(version)))

    def mlmodel(self, version: int | str = "champion") -> bytes:
        """The text of the `MLmodel` of a version, by its number or an alias."""
        text: str = self._call("mlmodel", _arguments.selector(version))
        return text.encode()

    def iter_versions(self) -> Iterator[VersionInfo]:
        """All versions, newest first, read page by page."""
        return map(VersionInfo.from_json, self._list("versions"))

    def history(self, *, limit: int | None = None, since: datetime | None = None) -> Iterator[Entry]:
        """The entries of the ledger, newest first, read page by page. A time without a zone is in UTC."""
        listing = {"limit": _arguments.limit(limit), "since": None if since is None else _arguments.milliseconds(since)}
        return map(Entry.from_json, self._list({"history": listing}))

    def diagnose(self) -> list[Finding]:
        """What is not as it should be with the model's lifecycle."""
        return [Finding.from_json(one) for one in self._call("diagnose")]

    def repair(self) -> None:
        """Repairs what needs no human decision, as `hydra-registry doctor --fix`."""
        self._call("repair")

    def statuses(self, models: str = "*") -> list[ModelStatus]:
        """The models of the registry at a glance whose names fit the pattern."""
        document = self._call("statuses", {"models": _arguments.text("models", models) or "*"})
        return [ModelStatus.from_json(one) for one in document["models"]]

    def _call(self, name: str, arguments: Any = None) -> Any:
        call = name if arguments is None else {name: arguments}
        return json.loads(self._registry.call(_arguments.encoded(call)))

    def _list(self, listing: Any) -> Iterator[dict[str, Any]]:
        for page in self._registry.list(_arguments.encoded(listing), _PAGE):
            yield from json.loads(page)

    def _decide(self, name: str, call: dict[str, Any]) -> Transition:
        document = self._call(name, call)
        transition, refusal = Transition.from_json(document), document["refusal"]
        if refusal is None or call["dry_run"]:
            return transition
        if refusal == "no-archived":
            raise NoArchived(transition.explanation, kind=refusal, category="missing")
        refused = Held if refusal == "held" else Rejected
        raise refused(transition.explanation, kind=refusal, category="refused", transition=transition)

    def _state(self, name: str, version: int, reason: str | None, expires: timedelta | None = None) -> Statement:
        call = {
            "version": _arguments.version(version),
            "reason": _arguments.text("reason", reason),
            "expires_seconds": _calls.seconds(expires),
        }
        return Statement.from_json(self._call(name, call))

    def _state_policy(self, name: str, *, reason: str | None, **given: Any) -> PolicyStatement:
        absent = {"policy": None, "activation_approvals": None, "expires_seconds": None, "dry_run": False}
        call = {**absent, "reason": _arguments.text("reason", reason), **given}
        return PolicyStatement.from_json(self._call(name, call))
