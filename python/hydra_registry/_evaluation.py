"""The reports of evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ._report import Report, converted, part, same, time, version_id


@dataclass(frozen=True, slots=True)
class Dataset(Report):
    """The rows of an evaluation."""

    #: The name.
    name: str
    #: The SHA-256 of the file.
    digest: str
    #: The number of rows.
    rows: int
    #: The column of the labels.
    label: str | None
    #: The column of the weights.
    weight: str | None
    #: The column of the groups.
    group: str | None
    #: The columns of the segments.
    segments: tuple[str, ...] = converted(tuple)


@dataclass(frozen=True, slots=True)
class Segment(Report):
    """Rows that were also measured separately."""

    #: The column.
    column: str
    #: The value in the column; `None` for the rows with rare values.
    value: str | None
    #: The number of rows.
    rows: int


@dataclass(frozen=True, slots=True)
class Interval(Report):
    """A confidence interval of 95 %."""

    #: `delong` or `bootstrap`.
    method: str
    #: The lower bound.
    low: float = converted(float)
    #: The upper bound.
    high: float = converted(float)


@dataclass(frozen=True, slots=True)
class Measurement(Report):
    """A metric of a version."""

    #: The metric, such as `ndcg@10`.
    metric: str
    #: Which values are better: `higher` or `lower`.
    direction: str
    #: A position in the evaluation's segments; `None` for all rows.
    segment: int | None
    #: The version: a number, or `file:` and a path.
    version: int | str = converted(version_id)
    #: The value.
    value: float = converted(float)
    #: The interval, if there is one.
    interval: Interval | None = part(Interval)


@dataclass(frozen=True, slots=True)
class Comparison(Report):
    """The difference of a metric between a version and the baseline."""

    #: The metric, such as `ndcg@10`.
    metric: str
    #: Which values are better: `higher` or `lower`.
    direction: str
    #: A position in the evaluation's segments; `None` for all rows.
    segment: int | None
    #: The version.
    challenger: int | str = converted(version_id)
    #: The version that it is compared with.
    baseline: int | str = converted(version_id)
    #: The challenger's value less the baseline's.
    difference: float = converted(float)
    #: The interval, if there is one.
    interval: Interval | None = part(Interval)


@dataclass(frozen=True, slots=True)
class Agreement(Report):
    """How far the scores of a version are those of the baseline."""

    #: A position in the evaluation's segments; `None` for all rows.
    segment: int | None
    #: The version.
    challenger: int | str = converted(version_id)
    #: The version that it is compared with.
    baseline: int | str = converted(version_id)
    #: The share of rows with equal scores.
    equal: float = converted(float)
    #: The share of rows with other labels; NaN without classes.
    label_changes: float = converted(float)
    #: The mean absolute difference.
    mean_difference: float = converted(float)
    #: The population stability index.
    psi: float = converted(float)
    #: The statistic of Kolmogorov and Smirnov.
    ks: float = converted(float)


def _measured(key: str, convert: Callable[[Any], Any]) -> Any:
    """A field of the document within the report of an evaluation."""
    return converted(lambda document: convert(document[key]), "evaluation")


def _recorded(key: str) -> Any:
    return converted(lambda recorded: recorded[key], "recorded")


@dataclass(frozen=True, slots=True)
class Evaluation(Report):
    """Versions that were measured on the same rows."""

    #: The registered model.
    model: str | None
    #: The SHA-256 of the document.
    sha256: str
    #: The whole document, as `docs/formats.md` describes it.
    document: dict[str, Any] = converted(same, "evaluation")
    #: The rows.
    dataset: Dataset = _measured("dataset", Dataset.from_json)
    #: `binary`, `multiclass`, `regression` or `ranking`.
    task: str = _measured("task", str)
    #: The version that the others are compared with.
    baseline: int | str = _measured("baseline", version_id)
    #: The versions.
    versions: tuple[int | str, ...] = _measured(
        "versions", lambda versions: tuple(version_id(one["version"]) for one in versions)
    )
    #: The segments.
    segments: tuple[Segment, ...] = _measured("segments", lambda all: tuple(map(Segment.from_json, all)))
    #: The metrics of each version.
    measurements: tuple[Measurement, ...] = _measured("measurements", lambda all: tuple(map(Measurement.from_json, all)))
    #: The differences to the baseline.
    comparisons: tuple[Comparison, ...] = _measured("comparisons", lambda all: tuple(map(Comparison.from_json, all)))
    #: The agreement with the baseline.
    agreements: tuple[Agreement, ...] = _measured("agreements", lambda all: tuple(map(Agreement.from_json, all)))
    #: When the measuring ended.
    measured_at: datetime = _measured("measured_at", time)
    #: The run that recorded it; `None` if it is not recorded.
    run_id: str | None = _recorded("run_id")
    #: The artifact URI of the document; `None` if it is not recorded.
    uri: str | None = _recorded("uri")

    def metric(self, name: str, version: int | str | None = None) -> float:
        """The value of a metric on all rows, of the baseline if no version is named. `KeyError` if there is none."""
        version = self.baseline if version is None else version
        for one in self.measurements:
            if one.metric == name and one.version == version and one.segment is None:
                return one.value
        raise KeyError(name)
