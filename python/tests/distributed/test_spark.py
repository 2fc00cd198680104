"""Spark on this machine, with its executors' Python processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from checks import check
from pyspark.sql import SparkSession

from hydra_registry import Model, exceptions
from hydra_registry.spark import map_in_arrow


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    yield session
    session.stop()


def test_the_bits_are_those_of_the_command_line(
    spark: SparkSession, model: Model, rows: pd.DataFrame, expected: Any
) -> None:
    frame = spark.createDataFrame(rows.astype(object).where(rows.notna(), None), schema=schema_of(rows)).repartition(4)
    scored = frame.transform(map_in_arrow(model, keep=["id"]))
    assert scored.schema["prediction"].metadata == {"hydra.sha256": model.sha256}
    check(scored.toPandas(), expected)


def test_leaves_are_numbers_that_spark_has(spark: SparkSession, model: Model, rows: pd.DataFrame) -> None:
    few = rows.dropna().head(50)
    frame = spark.createDataFrame(few)
    leaves = frame.transform(map_in_arrow(model, output="leaf", keep=["id"])).toPandas().sort_values("id")
    expected = model.predict(few.drop(columns="id"), pred_leaf=True)
    assert (leaves.drop(columns="id").to_numpy() == expected).all()


def test_a_missing_column_is_an_error_on_the_driver(
    spark: SparkSession, model: Model, rows: pd.DataFrame
) -> None:
    frame = spark.createDataFrame(rows.head(5)).drop("f0")
    with pytest.raises(Exception, match="f0"):
        frame.transform(map_in_arrow(model))


def schema_of(rows: pd.DataFrame) -> str:
    return ", ".join(f"{name} {'bigint' if name == 'id' else 'double'}" for name in rows.columns)


def test_a_type_that_the_model_cannot_take_is_an_error_on_the_driver(
    spark: SparkSession, model: Model, rows: pd.DataFrame
) -> None:
    frame = spark.createDataFrame(rows.head(5)).selectExpr("id", "array(f0) as f0", "f1", "f2", "f3", "f4")
    with pytest.raises(exceptions.InvalidInput, match="type"):
        frame.transform(map_in_arrow(model))
