"""Every failure is an exception with its kind, its hint and its values, in another process, too."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from conftest import train

import hydra_registry
from hydra_registry import ModelRegistry, exceptions

CATEGORIES = {
    "usage": (exceptions.UsageError, ValueError),
    "missing": (exceptions.MissingError, LookupError),
    "refused": (exceptions.RefusedError, Exception),
    "unavailable": (exceptions.UnavailableError, ConnectionError),
    "data": (exceptions.DataError, ValueError),
    "policy": (exceptions.PolicyError, RuntimeError),
    "ledger": (exceptions.LedgerError, RuntimeError),
    "bug": (exceptions.InternalError, RuntimeError),
}


def all_classes() -> list[type[exceptions.HydraError]]:
    """The classes that the package names."""
    return [getattr(exceptions, name) for name in exceptions.__all__]


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_category_has_a_class(category: str) -> None:
    ours, pythons = CATEGORIES[category]
    failure = (
        b'{"kind": "of-a-later-release", "category": "%s", "message": "no", "context": [["path", "x"]],'
        b' "hint": "go on", "retryable": true, "causes": ["a", "b"]}' % category.encode()
    )
    error = exceptions.from_failure(failure)
    assert type(error) is ours and isinstance(error, pythons) and isinstance(error, exceptions.HydraError)
    assert str(error) == "no (path: x)"
    assert (error.kind, error.category, error.hint) == ("of-a-later-release", category, "go on")
    assert (error.retryable, error.causes, error.context) == (True, ("a", "b"), {"path": "x"})


@pytest.mark.parametrize("cls", all_classes())
def test_exceptions_survive_pickling_and_are_exported(cls: type[exceptions.HydraError]) -> None:
    assert getattr(hydra_registry, cls.__name__) is cls
    error = cls("no", kind="k", category="data", context={"a": "b"}, hint="h", causes=("c",))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls and str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_errors_of_settings_show_at_once(tmp_path: Path) -> None:
    for arguments, cls, kind in [
        ({"tracking_uri": "ftp://x"}, exceptions.UsageError, "unsupported-scheme"),
        ({"tracking_uri": " "}, exceptions.UsageError, "config"),
        ({"model_name": "a/b"}, exceptions.UsageError, "invalid-name"),
        ({"policy": ["a=x.wasm", "a=y.wasm"]}, exceptions.UsageError, "panel-names"),
    ]:
        with pytest.raises(cls) as raised:
            ModelRegistry(**{"tracking_uri": str(tmp_path / "mlruns"), **arguments})
        assert raised.value.kind == kind, arguments


def test_refusals_carry_the_decision(backend: str, model_name: str, training_rows: Any) -> None:
    registry = ModelRegistry(backend, model_name, settings={"refuse-changes": ["output"]})
    classifier = train(training_rows, n_estimators=2)
    for model in (classifier, classifier.booster_):
        registry.log_candidate(model, {"auc": 0.9}, {})
    registry.promote_to_champion(1)
    with pytest.raises(exceptions.Rejected) as raised:
        registry.promote_to_champion(2)
    error = raised.value
    assert isinstance(error, ValueError) and error.kind == "rejected"
    assert error.explanation == str(error) and "output" in error.explanation
    assert error.transition is not None and error.transition.outcome == "rejected"
    assert pickle.loads(pickle.dumps(error)).transition == error.transition
    assert registry.promote(2, dry_run=True).outcome == "rejected"
    with pytest.raises(exceptions.MissingError) as missing:
        registry.load(7)
    assert missing.value.kind == "version-not-found" and missing.value.hint
    with pytest.raises(exceptions.MissingError, match="shadow"):
        registry.load("shadow")
    with pytest.raises(exceptions.UsageError, match="not finite"):
        registry.log_candidate(train(training_rows, n_estimators=2), {"auc": float("nan")}, {})
    with pytest.raises(exceptions.UsageError, match="not a LightGBM model") as usage:
        registry.log_candidate(object(), {"auc": 1.0}, {})
    assert usage.value.hint
    with pytest.raises(exceptions.PolicyError):
        ModelRegistry(backend, model_name, settings={"no-such-setting": 1}).promote(2)


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = ModelRegistry("http://127.0.0.1:9", "churn")
    with pytest.raises(exceptions.UnavailableError) as raised:
        registry.list_versions()
    assert raised.value.kind == "unreachable" and isinstance(raised.value, ConnectionError)


def test_no_champion_has_only_its_message(backend: str, model_name: str) -> None:
    with pytest.raises(exceptions.NoChampion) as raised:
        ModelRegistry(backend, model_name).load_champion()
    assert str(raised.value) == "No champion model set"
    assert raised.value.context == {"model": model_name} and raised.value.hint
