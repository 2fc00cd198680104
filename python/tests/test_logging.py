"""Events of the library arrive in `logging`, from this process and from the worker."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from hydra_registry import ModelRegistry


def test_events_become_records(backend: str, model_name: str, small_model: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hydra_registry"):
        registry = ModelRegistry(backend, model_name)
        registry.log_candidate(small_model, {"auc": 0.9}, {})
        registry.promote_to_champion(1)
    moved = [one for one in caplog.records if one.name == "hydra_registry.lifecycle.transition"]
    assert len(moved) == 1 and moved[0].levelno == logging.INFO
    assert f"model={model_name}" in moved[0].getMessage()


def test_the_level_of_the_logger_decides(
    backend: str, model_name: str, small_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    registry = ModelRegistry(backend, model_name)
    caplog.clear()
    with caplog.at_level(logging.ERROR, logger="hydra_registry"):
        registry.log_candidate(small_model, {"auc": 0.9}, {})
        registry.promote_to_champion(1)
    assert not [one for one in caplog.records if one.name.startswith("hydra_registry")]


def test_a_handler_that_calls_the_library_does_not_block(backend: str, model_name: str, small_model: Any) -> None:
    """A handler runs in the thread of the call, without any lock of the library."""
    registry = ModelRegistry(backend, model_name)
    seen: list[int] = []

    class Curious(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not seen:
                seen.append(len(registry.list_versions()))

    logger = logging.getLogger("hydra_registry")
    handler = Curious(logging.INFO)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        registry.log_candidate(small_model, {"auc": 0.9}, {})
        worker = threading.Thread(target=registry.promote_to_champion, args=(1,), daemon=True)
        worker.start()
        worker.join(60)
        assert not worker.is_alive() and seen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
