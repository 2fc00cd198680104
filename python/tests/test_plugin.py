"""The registry-store plug-in: an unchanged `MlflowClient`, behind the policy."""

from __future__ import annotations

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
    client.set_registered_model_alias(model_name, "Champion", "2")
    client.set_registered_model_alias(model_name, "shadow", "2")
    client.set_model_version_tag(model_name, "2", "team", "risk")
    assert client.get_model_version_by_alias(model_name, "shadow").tags["team"] == "risk"
    client.delete_registered_model_alias(model_name, "shadow")
    client.delete_model_version(model_name, "2")
    assert [version.version for version in client.search_model_versions(f"name = '{model_name}'")] in (["1"], [1])


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
