"""The registry-store plug-in: an unchanged `MlflowClient`, behind the policy."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import mlflow
import pytest
from conftest import fresh_name
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hydra_registry import ModelRegistry


@pytest.fixture(params=["rest", "sqlite"])
def uri(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """The URI of a store that the plug-in covers."""
    return str(request.getfixturevalue("server")) if request.param == "rest" else f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def client(uri: str) -> MlflowClient:
    """The client of a program that knows nothing of hydra-registry but the prefix."""
    return MlflowClient(tracking_uri=uri, registry_uri=f"hydra+{uri}")


@pytest.fixture
def registry(uri: str, model_name: str, small_model: Any) -> ModelRegistry:
    """A registry with two versions, without a champion."""
    registry = ModelRegistry(uri, model_name, settings={"refuse-changes": "columns"})
    for run_name in ("first", "second"):
        registry.log_candidate(small_model, {"auc": 0.9}, {}, run_name=run_name)
    return registry


def aliases(client: MlflowClient, name: str) -> dict[str, int]:
    return {alias: int(version) for alias, version in client.get_registered_model(name).aliases.items()}


def test_setting_the_champion_is_a_promotion(client: MlflowClient, registry: ModelRegistry, model_name: str) -> None:
    client.set_registered_model_alias(model_name, "champion", "1")
    client.set_registered_model_alias(model_name, "champion", 2)
    assert aliases(client, model_name) == {"champion": 2, "archived": 1}
    newest = next(iter(registry.history()))
    assert newest.reason == "alias set through MLflow"
    # Once more changes nothing, and is not an error, as in MLflow.
    client.set_registered_model_alias(model_name, "champion", 2)
    assert registry.rollback() == 1


def test_a_rejected_promotion_raises_the_words_of_the_policy(
    client: MlflowClient, registry: ModelRegistry, model_name: str, training_rows: Any
) -> None:
    from conftest import train

    client.set_registered_model_alias(model_name, "champion", "1")
    frame, labels = training_rows
    registry.log_candidate(train((frame[["size"]], labels)), {"auc": 1.0}, {})
    with open("hydra.toml", "w") as config:
        config.write('[settings]\nrefuse-changes = "columns"\n')
    with pytest.raises(MlflowException, match="column") as raised:
        client.set_registered_model_alias(model_name, "champion", "3")
    assert raised.value.error_code == "INVALID_STATE"
    assert raised.value.__cause__.kind == "rejected"
    assert aliases(client, model_name)["champion"] == 1


def test_a_version_that_does_not_exist_is_an_error(
    client: MlflowClient, registry: ModelRegistry, model_name: str
) -> None:
    with pytest.raises(MlflowException):
        client.set_registered_model_alias(model_name, "champion", "9")
    assert "champion" not in aliases(client, model_name)


def test_the_other_ways_to_move_the_champion_are_refused(
    client: MlflowClient, registry: ModelRegistry, model_name: str
) -> None:
    client.set_registered_model_alias(model_name, "champion", "1")
    client.set_registered_model_alias(model_name, "champion", "2")
    for refused in (
        lambda: client.delete_registered_model_alias(model_name, "champion"),
        lambda: client.delete_registered_model_alias(model_name, "archived"),
        lambda: client.set_registered_model_alias(model_name, "archived", "2"),
        lambda: client.delete_model_version(model_name, "1"),
        lambda: client.delete_model_version(model_name, "2"),
        lambda: client.delete_registered_model(model_name),
        lambda: client.rename_registered_model(model_name, fresh_name("other")),
    ):
        with pytest.raises(MlflowException, match=f"hydra-registry --model {model_name} rollback") as raised:
            refused()
        assert raised.value.error_code == "INVALID_STATE"
    assert aliases(client, model_name) == {"champion": 2, "archived": 1}


def test_everything_else_passes_through(client: MlflowClient, registry: ModelRegistry, model_name: str) -> None:
    client.set_registered_model_alias(model_name, "champion", "1")
    client.set_registered_model_alias(model_name, "shadow", "2")
    client.set_model_version_tag(model_name, "2", "team", "risk")
    assert client.get_model_version_by_alias(model_name, "shadow").tags["team"] == "risk"
    client.delete_registered_model_alias(model_name, "shadow")
    client.delete_model_version(model_name, "2")
    assert [version.version for version in client.search_model_versions(f"name = '{model_name}'")] in (["1"], [1])


@pytest.mark.parametrize("spelling", ["Champion", "CHAMPION", "chámpion", "champ\u0131on", "ARCHIVED"])
def test_other_spellings_are_refused_because_some_databases_compare_without_case(
    client: MlflowClient, registry: ModelRegistry, uri: str, model_name: str, spelling: str
) -> None:
    client.set_registered_model_alias(model_name, "champion", "1")
    before = aliases(client, model_name)
    with pytest.raises(MlflowException, match=f"`{spelling}`") as raised:
        client.set_registered_model_alias(model_name, spelling, "2")
    assert raised.value.error_code == "INVALID_STATE"
    with pytest.raises(MlflowException, match=f"`{spelling}`"):
        client.delete_registered_model_alias(model_name, spelling)
    assert aliases(client, model_name) == before
    # One that the database keeps apart can be deleted.
    MlflowClient(uri, uri).set_registered_model_alias(model_name, spelling, "2")
    client.delete_registered_model_alias(model_name, spelling)
    assert aliases(client, model_name) == before


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_a_database_that_compares_without_case_keeps_its_champion(
    registry: ModelRegistry, uri: str, model_name: str
) -> None:
    client = MlflowClient(uri, f"hydra+{uri}")
    client.set_registered_model_alias(model_name, "champion", "1")
    table = "registered_model_aliases"
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        [made] = database.execute("select sql from sqlite_master where name = ?", [table]).fetchone()
        unlike = made.replace("alias VARCHAR(256)", "alias VARCHAR(256) COLLATE NOCASE")
        database.executescript(
            f"alter table {table} rename to former; {unlike}; insert into {table} select * from former; drop table former"
        )
    for call in (
        lambda: client.set_registered_model_alias(model_name, "Champion", "2"),
        lambda: client.delete_registered_model_alias(model_name, "CHAMPION"),
    ):
        with pytest.raises(MlflowException):
            call()
    assert client.get_model_version_by_alias(model_name, "champion").version in ("1", 1)


def test_a_model_cannot_be_passed_off_as_a_prompt(
    client: MlflowClient, registry: ModelRegistry, model_name: str
) -> None:
    client.set_registered_model_alias(model_name, "champion", "1")
    for refused in (
        lambda: client.set_registered_model_tag(model_name, "mlflow.prompt.is_prompt", "true"),
        lambda: client.delete_registered_model_tag(model_name, "mlflow.prompt.is_prompt"),
    ):
        with pytest.raises(MlflowException, match="is_prompt"):
            refused()
    assert registry.get_champion_info()["version"] == 1


def test_the_ledger_is_not_changed(client: MlflowClient, registry: ModelRegistry, model_name: str) -> None:
    client.set_registered_model_alias(model_name, "champion", "1")
    ledger = f"{model_name}_ledger"
    for refused in (
        lambda: client.delete_model_version(ledger, "1"),
        lambda: client.delete_registered_model(ledger),
        lambda: client.rename_registered_model(ledger, fresh_name("other")),
        lambda: client.set_model_version_tag(ledger, "1", "hydra.entry", "{}"),
        lambda: client.delete_model_version_tag(ledger, "1", "hydra.entry"),
        lambda: client.delete_registered_model_tag(ledger, "hydra.ledger.model"),
        lambda: client.delete_registered_model_tag(model_name, "hydra.ledger.id"),
        lambda: client.set_registered_model_tag(model_name, "hydra.ledger.run", "0"),
    ):
        with pytest.raises(MlflowException, match="ledger"):
            refused()
    assert not registry.diagnose()


def test_what_mlflow_refuses_is_refused_alike(
    client: MlflowClient, registry: ModelRegistry, model_name: str
) -> None:
    for version in (0, -1, 1.5, "1.0", "x", True):
        with pytest.raises(MlflowException) as raised:
            client.set_registered_model_alias(model_name, "champion", version)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE", version
        with pytest.raises(MlflowException) as raised:
            client.delete_model_version(model_name, version)
    with pytest.raises(MlflowException) as raised:
        client.set_registered_model_alias(model_name, "champion", 9)
    assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert "champion" not in aliases(client, model_name)


def test_prompts_have_no_policy(client: MlflowClient, model_name: str) -> None:
    client.register_prompt(model_name, "Say {{it}}.")
    client.set_prompt_alias(model_name, "champion", 1)
    assert client.get_prompt_version_by_alias(model_name, "champion").version == 1
    client.delete_prompt_alias(model_name, "champion")


def test_the_uris_of_the_process_are_enough(uri: str, registry: ModelRegistry, model_name: str) -> None:
    mlflow.set_registry_uri(f"hydra+{uri}")
    MlflowClient().set_registered_model_alias(model_name, "champion", "1")
    assert registry.get_champion_info()["version"] == 1


def test_the_library_reads_the_uri_of_the_plug_in(
    uri: str, registry: ModelRegistry, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hydra+{uri}")
    assert len(ModelRegistry(model_name=model_name).list_versions()) == 2
