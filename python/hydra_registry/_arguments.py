"""The arguments of `ModelRegistry`'s methods as the values that JSON has, or a `UsageError` that says what to pass."""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from .exceptions import UsageError

# Deeper ones are not read.
_MOST_LEVELS = 100

_ALIAS = re.compile(r"(?!latest$|v[0-9]+$)[\w-]{1,255}", re.IGNORECASE)


def usage(message: str, hint: str, kind: str = "invalid-argument") -> UsageError:
    """The error of a wrong argument."""
    return UsageError(message, kind=kind, category="usage", hint=hint)


def encoded(value: Any) -> bytes:
    """The JSON of a call."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        text = ascii(error.object[max(error.start - 20, 0) : error.end + 20])
        raise usage(f"a text has characters that are not Unicode: {text}", "decode it with the encoding it has") from error
    except (TypeError, ValueError) as error:
        raise usage(f"an argument has a wrong type: {error}", "see the signature of the method") from error


def environment() -> dict[str, str]:
    """The environment variables that are Unicode, as the command line takes them."""
    return {name: value for name, value in os.environ.items() if _is_unicode(name + value)}


def version(value: Any) -> int:
    """The number of a version. MLflow's client has it as text."""
    number = None
    if isinstance(value, str):
        number = int(value) if value.isascii() and value.isdecimal() else None
    elif not isinstance(value, bool):
        number = _index(value)
    if number is None or not 1 <= number < 2**63:
        raise usage(f"not the number of a version: `{value!r}`", "pass a positive integer, such as 3", "invalid-name")
    return number


def selector(value: Any) -> dict[str, Any]:
    """A version by its number or by an alias."""
    if not isinstance(value, str):
        return {"version": version(value)}
    if _ALIAS.fullmatch(value) is None:
        raise usage(
            f"the text is not a valid alias: `{value}`",
            "use letters, digits, `_` and `-`; `latest` and `v<number>` are reserved by MLflow",
            "invalid-name",
        )
    return {"alias": value}


def several(values: Any) -> list[Any]:
    """The items of a list, or one item."""
    if values is None:
        return []
    return list(values) if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else [values]


def limit(value: Any) -> int | None:
    """The most items of a list."""
    if value is None:
        return None
    number = _index(value)
    if number is None or not 0 <= number < 2**63:
        raise usage(f"not a number of entries: `{value!r}`", "pass an integer, or None for all")
    return number


def approvals(value: Any) -> int | None:
    """How many people must approve."""
    if value is None:
        return None
    number = _index(value)
    if number is None or not 0 <= number < 2**32:
        raise usage(f"not a number of approvals: `{value!r}`", "pass an integer from 0")
    return number


def milliseconds(time: Any) -> int:
    """A time as milliseconds since 1970; without a zone, it is in UTC."""
    if not isinstance(time, datetime):
        raise usage(f"not a time: `{time!r}`", "pass a `datetime`")
    zoned = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return (zoned - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def text(name: str, value: Any) -> str | None:
    """A text, if there is one."""
    if value is None or isinstance(value, str):
        return value
    raise usage(f"the argument `{name}` is not text: `{value!r}`", "pass a `str`, or None")


def texts(name: str, values: Any) -> list[str]:
    """A list of texts, or one text."""
    listed = [values] if isinstance(values, str) else list(values)
    if all(isinstance(value, str) for value in listed):
        return listed
    raise usage(f"the argument `{name}` is not a list of texts: `{values!r}`", "pass a list of `str`")


def metrics(values: Any) -> dict[str, float | str]:
    """The metrics of a candidate; those that JSON does not have are text."""
    return {str(key): _number(key, value) for key, value in _mapping("metrics", values).items()}


def tags(values: Any) -> dict[str, str]:
    """The tags of a candidate."""
    return {str(key): str(value) for key, value in _mapping("tags", values or {}).items()}


def config(values: Any) -> dict[str, Any]:
    """The configuration of a candidate: what JSON does not have is text, as in MLflow."""
    return {str(key): _plain(value, 1) for key, value in _mapping("config", values).items()}


def _mapping(name: str, values: Any) -> dict[Any, Any]:
    try:
        return dict(values)
    except (TypeError, ValueError) as error:
        raise usage(f"the argument `{name}` is not a mapping: `{type(values).__name__}`", "pass a `dict`") from error


def _number(key: Any, value: Any) -> float | str:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise usage(f"metric `{key}` is not a number: `{value!r}`", "pass a finite number for each metric") from error
    return number if number - number == 0 else str(number)


def _plain(value: Any, level: int) -> Any:
    """The value in JSON's types: NumPy's numbers and arrays, sets, paths and times are among those that it does not have."""
    if level > _MOST_LEVELS:
        raise usage("the configuration is nested too deeply", f"use at most {_MOST_LEVELS} levels")
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item, level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, level + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return _plain(_in_order(value), level)
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), level + 1)
    return str(value)


def _in_order(values: Any) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
