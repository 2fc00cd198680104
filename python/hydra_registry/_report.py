"""How reports are made of JSON documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

_T = TypeVar("_T", bound="Report")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
_LAST = datetime.max.replace(tzinfo=timezone.utc)


def time(value: str | int | None) -> datetime | None:
    """A time of a report: RFC 3339, or milliseconds since 1970. One that Python does not have is its first or last."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and not value.removeprefix("-").isdecimal():
            return datetime.fromisoformat(value.replace("Z", "+00:00"))
        return _EPOCH + timedelta(milliseconds=int(value))
    except (OverflowError, ValueError):
        return _FIRST if str(value).startswith("-") else _LAST


def floats(values: Mapping[str, float | str]) -> dict[str, float]:
    """Numbers of a report: those that JSON cannot represent are text."""
    return {key: float(value) for key, value in values.items()}


def version_id(value: str) -> int | str:
    """A version of an evaluation: a number, or `file:` and a path."""
    return int(value) if value.isdecimal() else value


def converted(convert: Callable[[Any], Any], key: str | None = None, default: Any = None) -> Any:
    """A field that is converted, or has another name in JSON, or may be absent."""
    return field(metadata={"convert": convert, "key": key, "default": default})


def same(value: Any) -> Any:
    """The value as it is."""
    return value


class Report:
    """A report that is made of a JSON document."""

    __slots__ = ()

    @classmethod
    def from_json(cls: type[_T], document: Mapping[str, Any]) -> _T:
        """The report of a document as `hydra-registry --output json` writes it."""
        values = {}
        for one in fields(cls):  # type: ignore[arg-type]
            key = one.metadata.get("key") or one.name
            value = document.get(key, one.metadata.get("default"))
            values[one.name] = value if value is None else one.metadata.get("convert", same)(value)
        return cls(**values)


def part(report: type[Report]) -> Any:
    """A field that is a report."""
    return converted(report.from_json)


def parts(report: type[Report]) -> Any:
    """A field of several reports."""
    return converted(lambda documents: tuple(map(report.from_json, documents)))
