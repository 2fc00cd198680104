"""What every engine must answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def check(scored: pd.DataFrame, expected: np.ndarray[Any, Any]) -> None:
    """Bits, not tolerances."""
    scored = scored.sort_values("id")
    assert list(scored.columns) == ["id", "prediction"]
    np.testing.assert_array_equal(scored["id"], np.arange(len(expected)))
    np.testing.assert_array_equal(scored["prediction"].to_numpy().view("u8"), expected.view("u8"))

