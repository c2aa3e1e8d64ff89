"""From the reply of a page to the values of the signals that are read from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from warroom.api import TimedOut, WarroomError
from warroom.model.base import clock_text
from warroom.model.call import CallResult
from warroom.model.units import many
from warroom_http.asking import no_reply, why
from warroom_http.config import Config
from warroom_http.declared import Health, Measured, Number, Page
from warroom_http.documents import MISSING, Missing, lacking, number, pick, same, short, size
from warroom_http.flows import not_json
from warroom_http.measures import Met, Window

NOT_LET_IN = frozenset({401, 403, 407, 429})
"""Statuses that say more of the asker than of the service: unknown, not failing."""
ROUNDING = 1e-6
MILLISECONDS = 1e11
"""A number above this, as a time since 1970, is in milliseconds: in seconds it would be beyond the year 5000."""


@dataclass(frozen=True)
class Value:
    """A sample's value, its count, its words, and its own time where the reply says it."""

    number: float | None
    count: int | None
    words: str = ""
    at: datetime | None = None


def unknown(words: str, at: datetime | None = None) -> Value:
    return Value(None, None, words, at)


NOT_THERE = frozenset({404, 405, 410, 501})


def proven(well: set[str], name: str, value: Value, status: int, path: str) -> Value:
    """A page that was there and is gone has failed; one that never was may be written wrongly, and says nothing.

    ``well`` are the signals that have been well since warroom began; this one is added when it is.
    """
    if value.number == 1:
        well.add(name)
    if value.number == 0 and status in NOT_THERE and name not in well:
        return unknown(f"{value.words}: it was not well once since warroom began; is the path {path} right?", value.at)
    return value


Reply = CallResult | WarroomError


def health(config: Config, signal: Health, reply: Reply, now: datetime) -> Value:
    """1, 0 or unknown. What the reply itself says of the field goes before its status: a health page answers 503 for
    one broken part, and names the others as well."""
    if isinstance(reply, WarroomError):
        return Value(0, 1, f"no reply: {why(reply)}") if no_reply(reply) else unknown(why(reply))
    at, old = measured_at(config, signal.at, reply, now)
    if old:
        return unknown(old)
    good = 200 <= reply.status < 300
    if signal.field is not None and (told := _told(signal, reply)) is not None:
        well, words = told
        problem = _lacks(signal, reply) if well else ""
        return Value(float(bool(well and not problem)), 1, problem or f"{words} (HTTP {reply.status})", at)
    if not good and (reply.status < 400 or reply.status in NOT_LET_IN):
        return unknown(f"HTTP {reply.status}: warroom could not look")
    if not good:
        return Value(0, 1, f"HTTP {reply.status}", at)
    if signal.expect is not None and reply.data is None:
        return unknown(f"HTTP {reply.status}, but {not_json(reply)}")
    if signal.field is not None:
        lacks = f"it has no {signal.field}" if reply.data is not None else not_json(reply)
        if signal.length or signal.above is not None or signal.below is not None:
            lacks = _counted(reply.data, signal.field, signal.length)[1] if reply.data is not None else lacks
        return unknown(f"HTTP {reply.status}, but {lacks}")
    problem = _lacks(signal, reply)
    return Value(float(not problem), 1, problem or f"HTTP {reply.status}", at)


def _told(signal: Health, reply: CallResult) -> tuple[bool, str] | None:
    """(whether the field is as it should be, words); None where the reply has none that can be judged."""
    assert signal.field is not None
    if signal.above is None and signal.below is None:
        found = pick(reply.data, signal.field)
        if isinstance(found, Missing):
            return None
        return same(signal.equals, found), f"{signal.field} is {short(found)}"
    value, _ = _counted(reply.data, signal.field, signal.length)
    if value is None:
        return None
    well = value < signal.below if signal.below is not None else value > (signal.above or 0)
    limit = f"below {signal.below:g}" if signal.below is not None else f"above {signal.above:g}"
    return well, f"{signal.field} is {value:g}, {limit} was expected"


def _lacks(signal: Health, reply: CallResult) -> str:
    """What of ``expect`` and ``contains`` is not there; empty when all of it is."""
    if signal.expect is not None and (problem := lacking(signal.expect, reply.data)):
        return problem
    if signal.contains is not None and signal.contains not in reply.text:
        return f"the reply does not contain {short(signal.contains)}"
    return ""


def counted(config: Config, signal: Number, reply: Reply, now: datetime) -> Value:
    if isinstance(reply, WarroomError):
        return unknown(f"no reply: {why(reply)}" if no_reply(reply) else why(reply))
    if not 200 <= reply.status < 300:
        return unknown(f"HTTP {reply.status}")
    if reply.data is None:
        return unknown(not_json(reply))
    at, words = measured_at(config, signal.at, reply, now)
    value, problem = _counted(reply.data, signal.field, signal.length)
    if words or value is None:
        return unknown(words or problem)
    if signal.over is not None:
        whole, words = number(reply.data, signal.over)
        if not whole:
            return unknown(words or f"{signal.over} is 0")
        value /= whole
    value *= signal.scale
    if problem := absurd(value, signal.unit):
        return unknown(problem)
    count, words = (None, "") if signal.count is None else number(reply.data, signal.count)
    if signal.count is not None and (count is None or count < 0):
        return unknown(words or f"{signal.count} is {count:g}, no count")
    return Value(min(value, 1.0) if signal.unit == "ratio" else value, None if count is None else int(count), "", at)


def absurd(value: float, unit: str) -> str:
    """Why a number can't be true in its unit; empty when it can."""
    if not math.isfinite(value):
        return "it is not a finite number"
    if value < 0:
        return f"{value:g} is negative, which {unit} can't be"
    return f"{value:g} is no ratio: 0 to 1 was expected" if unit == "ratio" and value > 1 + ROUNDING else ""


def _counted(document: JsonValue, path: str, length: bool) -> tuple[float | None, str]:
    return size(document, path) if length else number(document, path)


def measured_at(config: Config, path: str | None, reply: CallResult, now: datetime) -> tuple[datetime | None, str]:
    """(the reply's own time, "") or (None, why it makes the reply worthless)."""
    if path is None:
        return None, ""
    found = pick(reply.data, path)
    at = _moment(found) if not isinstance(found, Missing) else None
    if at is None:
        return None, f"{path} is no time" if found is not MISSING else f"it does not say when: it has no {path}"
    age = (now - at).total_seconds()
    if age > config.stale_after:
        return None, f"it is {clock_text(age)} old, by its own {path}"
    if age < -config.skew:
        return None, f"it is {clock_text(-age)} in the future, by its own {path}"
    return at, ""


def _moment(value: JsonValue) -> datetime | None:
    """ISO 8601, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value[:40])
            return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value / (1000 if value > MILLISECONDS else 1))
    except (ValueError, OverflowError):
        return None
    return None


def measured(signal: Measured, window: Window, reply: Reply, ended: float, took: float) -> Value:
    """Adds this request to the window and reads it. What warroom itself would not ask measures nothing."""
    if isinstance(reply, CallResult):
        met = Met(ended, reply.seconds or took, reply.status >= 500)
    elif no_reply(reply):
        met = Met(ended, took if isinstance(reply, TimedOut) else None, failed=True)
    else:
        return unknown(why(reply))
    window.add(met)
    value, count = window.read(signal.kind)
    words = f"{many(count, 'request')} of warroom's own in {signal.window:g} s"
    new = int(signal.kind == "error-ratio" or met.seconds is not None)  # the others were counted by samples before
    return Value(value, new, words) if value is not None else unknown(f"{words}, none of them answered")


def read(config: Config, signal: Page, window: Window, reply: Reply, now: datetime, ended: float, took: float) -> Value:
    """What a page's reply says of one signal. ``ended`` is monotonic, ``took`` in seconds."""
    match signal:
        case Health():
            return health(config, signal, reply, now)
        case Number():
            return counted(config, signal, reply, now)
    return measured(signal, window, reply, ended, took)
