"""The six tests of the project that this one began as, on every kind of store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import train

from hydra_registry import ModelRegistry
from hydra_registry.exceptions import RefusedError, UsageError


class Wrapper:
    """A wrapper around an estimator, as the origin's pipeline logs it."""

    def __init__(self, model: Any) -> None:
        self.model = model


def log(registry: ModelRegistry, rows: Any, trees: int) -> int:
    """Logs a wrapped model of so many trees and answers its version."""
    run_id, version = registry.log_candidate(
        Wrapper(train(rows, n_estimators=trees)),
        {"auc": 0.9, "rounds": float(trees)},
        {"seed": 7, "data": {"rows": 120}, "name": "origin"},
        tags={"team": "risk"},
        run_name="a run",
    )
    assert isinstance(run_id, str) and run_id
    return version


def aliases(backend: str, name: str) -> dict[str, int]:
    """The aliases as MLflow's own client sees them."""
    from mlflow import MlflowClient

    found = MlflowClient(backend, backend).get_registered_model(name).aliases
    return {alias: int(version) for alias, version in found.items()}


def test_log_candidate(backend: str, model_name: str, training_rows: Any) -> None:
    from mlflow import MlflowClient

    registry = ModelRegistry(backend, model_name)
    assert log(registry, training_rows, 3) == 1
    assert aliases(backend, model_name) == {"candidate": 1}
    client = MlflowClient(backend, backend)
    run = client.get_run(client.get_model_version(model_name, "1").run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "a run"
    assert run.data.params["data.rows"] == "120"
    assert run.data.params["name"] == "origin"
    assert run.data.tags["team"] == "risk"
    assert run.data.metrics == {"auc": 0.9, "rounds": 3.0}
    assert "config.json" in [artifact.path for artifact in client.list_artifacts(run.info.run_id)]


def test_promote_and_load_champion_that_predicts(backend: str, model_name: str, training_rows: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    version = log(registry, training_rows, 5)
    assert registry.promote_to_champion(version) is None
    assert aliases(backend, model_name) == {"champion": version}
    champion = registry.load_champion()
    assert (champion.version, champion.model_name) == (version, model_name)
    assert champion.predict([[10.0, 1.0], [110.0, 1.0]]).tolist() == [0, 1]
    low, high = champion.predict_proba([[10.0, 1.0], [110.0, 1.0]])[:, 1]
    assert low < 0.5 < high
    info = registry.get_champion_info()
    assert set(info) == {"version", "run_id", "metrics", "tags", "created_at"}
    assert (info["version"], info["metrics"]["rounds"], info["tags"]["team"]) == (version, 5.0, "risk")
    assert isinstance(info["created_at"], int)


def test_promoting_archives_the_former_champion(backend: str, model_name: str, training_rows: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    first = log(registry, training_rows, 3)
    registry.promote_to_champion(first)
    second = log(registry, training_rows, 4)
    registry.promote_to_champion(second)
    assert aliases(backend, model_name) == {"champion": second, "archived": first}
    registry.promote_to_champion(second)
    assert aliases(backend, model_name) == {"champion": second, "archived": first}
    assert registry.promote(second).outcome == "unchanged"


def test_rollback(backend: str, model_name: str, training_rows: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    first = log(registry, training_rows, 3)
    registry.promote_to_champion(first)
    second = log(registry, training_rows, 4)
    registry.promote_to_champion(second)
    assert registry.load_champion().num_trees == 4
    assert registry.rollback() == first
    assert aliases(backend, model_name) == {"champion": first, "archived": second}
    assert registry.load_champion().num_trees == 3


def test_rollback_with_none_archived_is_an_error(backend: str, model_name: str, training_rows: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    for call in (registry.load_champion, registry.get_champion_info):
        with pytest.raises(ValueError, match="No champion model set") as raised:
            call()
        assert str(raised.value) == "No champion model set"
    registry.promote_to_champion(log(registry, training_rows, 3))
    with pytest.raises(ValueError, match="No archived model to rollback to") as raised:
        registry.rollback()
    assert str(raised.value) == "No archived model to rollback to"


def test_list_versions(backend: str, model_name: str, training_rows: Any) -> None:
    registry = ModelRegistry(backend, model_name)
    registry.promote_to_champion(log(registry, training_rows, 3))
    log(registry, training_rows, 4)
    listed = registry.list_versions()
    assert [(one["version"], one["aliases"]) for one in listed] == [(2, ["candidate"]), (1, ["champion"])]
    for one in listed:
        assert set(one) == {"version", "run_id", "aliases", "created_at"}
        assert one["run_id"] and isinstance(one["created_at"], int)


def test_what_there_is_beyond_the_origin(backend: str, model_name: str, training_rows: Any) -> None:
    """Dry runs, the history, statements, an evaluation: each as a report."""
    registry = ModelRegistry(backend, model_name, actor="ann", settings={"refuse-changes": ["output"]})
    first = log(registry, training_rows, 3)
    tried = registry.promote(reason="weekly", dry_run=True)
    assert (tried.outcome, tried.dry_run, tried.sequence) == ("done", True, None)
    moved = {change.alias: change.after for change in registry.promote(reason="weekly").changes}
    assert moved == {"candidate": None, "champion": first}
    second = log(registry, training_rows, 6)
    rows = training_rows[0].assign(label=training_rows[1], region=np.where(np.arange(120) % 2, "n", "s"))
    path = "holdout.csv"
    rows.to_csv(path, index=False)
    measured = registry.evaluate(path, label="label", segments=["region"], metrics=["log_loss"])
    assert measured.versions == (first, second) and measured.baseline == first
    assert measured.run_id is not None and measured.dataset.name == "holdout"
    assert measured.metric("log_loss", second) < measured.metric("log_loss")
    assert len(measured.segments) == 0 or measured.segments[0].column == "region"
    decided = registry.promote(evaluate=path, label="label")
    assert [(one.dataset, one.first_hand) for one in decided.evaluations] == [("holdout", True)]
    assert decided.actor == "ann"
    stated = registry.quarantine(first, reason="drifts")
    assert (stated.operation, stated.outcome) == ("quarantine", "done")
    assert registry.describe(first).quarantine is not None
    registry.release(first)
    history = list(registry.history())
    assert [one.operation for one in history][-2:] == ["promote", "genesis"]
    assert [one.operation for one in registry.history(limit=1)] == ["release"]
    at = registry.champion_at(history[-2].at)
    assert at is not None and at.version == first
    assert registry.diagnose() == []
    assert registry.mlmodel(second).startswith(b'"artifact_path"')
    assert {one.model for one in registry.statuses(model_name)} == {model_name}


def test_an_active_policy_decides_for_registries_that_name_none(backend: str, model_name: str, training_rows: Any) -> None:
    settings = {"refuse-changes": ["output"]}
    ann = ModelRegistry(backend, model_name, actor="ann", settings=settings)
    first = log(ann, training_rows, 3)
    assert ann.active_policy().policy is None
    tried = ann.activate_policy(dry_run=True)
    assert (tried.outcome, tried.dry_run, tried.sequence) == ("done", True, None)
    activated = ann.activate_policy(reason="for all hosts")
    assert (activated.operation, activated.outcome, activated.policy) == ("activate", "done", tried.policy)
    active = ann.active_policy()
    assert (active.policy, active.actor, active.reason) == (activated.policy, "ann", "for all hosts")
    assert [(one.mode, one.settings["refuse-changes"]) for one in active.policies] == [("leader", "output")]
    bob = ModelRegistry(backend, model_name, actor="bob")
    assert bob.promote(first).active_policy == activated.policy
    other = ModelRegistry(backend, model_name, actor="bob", settings={"refuse-changes": ["classes"]})
    second = log(bob, training_rows, 4)
    with pytest.raises(RefusedError) as refused:
        other.promote(second)
    assert refused.value.kind == "inactive-policy"
    with pytest.raises(UsageError) as without_reason:
        other.promote(second, override_policy=True)
    assert without_reason.value.kind == "override-reason"
    overridden = other.promote(second, override_policy=True, reason="an emergency")
    assert overridden.overrides == ("inactive-policy",)
    assert [one.code for one in bob.diagnose()] == ["overridden-policy"]
    approval = bob.approve_policy(activated.policy)
    assert approval.approved_by == ("bob",)
    assert [one.actor for one in bob.active_policy().approvals] == ["bob"]
    assert bob.deactivate_policy(reason="no rules").former == activated.policy
    assert bob.active_policy().policy is None
    with pytest.raises(UsageError) as nothing:
        bob.activate_policy()
    assert nothing.value.kind == "nothing-to-activate"
