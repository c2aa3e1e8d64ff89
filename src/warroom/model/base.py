"""What every fact shares: frozen, strict about unknown keys, and one canonical JSON."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)


class Fact(BaseModel):
    """Frozen, and an unknown key is an error. NaN and infinity are refused: JSON has neither."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="null",
        serialize_by_alias=True,  # what is written must be readable again
    )


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment within the years 1 to 9999, in UTC, was expected") from None


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment, always in UTC."""

DAY = 86400
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)


def parse_duration(value: object) -> object:
    """``"5m"``, ``"1h30m"``, ``"20s"`` or a number of seconds → seconds. Anything else is left to fail the type."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if not value.strip() or match is None or not any(match.groups()):
        raise ValueError(f"a duration such as 20s, 5m or 1h30m was expected, not {value!r}")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(ge=0, le=366 * 86400),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+(\.\d+)?s)?$"}]}
    ),
]
"""Seconds. In a runbook also written ``20s``, ``5m``, ``1h30m``."""

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([-_.][a-z0-9]+)*$", max_length=80)]
"""A stable name in a runbook: lower case, digits, and single ``-``, ``_`` or ``.`` between words."""


def stored(value: Any) -> bytes:
    """The JSON that goes to disk and over the wire: compact, UTF-8, NaN refused, keys in their own order.

    The order of a runbook's steps and items is meaning, so it must survive.
    """
    return _json(value, sort_keys=False)


def canonical(value: Any) -> bytes:
    """The JSON that is hashed where order has no meaning: as ``stored``, with sorted keys."""
    return _json(value, sort_keys=True)


def _json(value: Any, *, sort_keys: bool) -> bytes:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """``sha256:…`` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def clock_text(seconds: float) -> str:
    """``3:12`` or ``1:03:12``: how long, as a person reads it on a clock."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def passed_text(seconds: float) -> str:
    """How old, or how long ago, to the second; over a day to the minute: ``1 d 15 h 27 m``. Never less than nothing."""
    whole = max(0, round(seconds))
    if whole <= DAY:
        return span_text(whole)
    days, rest = divmod(whole, DAY)
    return " ".join([f"{days} d", *([span_text(rest // 60 * 60)] if rest >= 60 else [])])


def span_text(seconds: float) -> str:
    """``20 s``, ``5 m``, ``1 h 30 m``: a length, as the runbook says it."""
    if seconds < 60:
        return f"{seconds:g} s"
    hours, rest = divmod(int(seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "m"), (secs, "s")) if n)
