"""Questions to the query API, and its answers and errors in words."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import JsonValue

from warroom.api import BadInput, Context, DoorRefused, TimedOut, TryLater, WarroomError
from warroom.model.call import CallResult, Secret
from warroom_prometheus.config import Config
from warroom_prometheus.promql import PART, together

MOST_WARNING = 150
SERIES_SHOWN = 50


class Refused(WarroomError):
    """The server understood the question and said no; ``kind`` is its own word for it, such as ``bad_data``."""

    def __init__(self, title: str, cause: str, hint: str = "", *, kind: str = "") -> None:
        super().__init__(title, cause, hint)
        self.kind = kind


@dataclass(frozen=True)
class Series:
    """One series of an instant answer. ``value`` None: it is no number, and ``words`` say what it is."""

    labels: Mapping[str, str]
    value: float | None
    words: str = ""


@dataclass(frozen=True)
class Answer:
    """``at`` is when the server evaluated it, in seconds since 1970 by its own clock; None without any series."""

    series: tuple[Series, ...]
    total: int
    at: float | None
    warnings: tuple[str, ...] = ()


async def instant(ctx: Context, query: str) -> Answer:
    """The answer now. Raises ``WarroomError``."""
    data, warnings = await _asked(ctx, "query", {"query": query})
    kind, result = data.get("resultType"), data.get("result")
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    elif kind != "vector":
        raise Refused("the query gives no single number", f"it gives a {str(kind)[:30]}", kind="type")
    if not isinstance(result, list):
        raise Refused("the answer can't be read", "its result is no list", kind="shape")
    return _answer(result, warnings)


async def at_once(ctx: Context, parts: Mapping[str, str]) -> dict[str, Answer]:
    """The answers to several queries, in one question and of one moment. Raises ``WarroomError``.

    A query of another type than an instant vector, or a wrong one, is asked for by itself, so that what the server says
    of it is about it alone.
    """
    if len(parts) > 1:
        try:
            data, warnings = await _asked(ctx, "query", {"query": together(parts)})
        except Refused as error:
            if error.kind not in ("bad_data", "execution"):
                raise
        else:
            return _parted(data.get("result"), parts, warnings)
    return {name: await instant(ctx, query) for name, query in parts.items()}


def _parted(result: JsonValue, parts: Mapping[str, str], warnings: tuple[str, ...]) -> dict[str, Answer]:
    found: dict[str, list[JsonValue]] = {name: [] for name in parts}
    for one in result if isinstance(result, list) else [None]:
        labels = one.get("metric") if isinstance(one, dict) else None
        part = labels.get(PART) if isinstance(labels, dict) else None
        if not isinstance(part, str) or part not in found:
            raise Refused("the answer can't be read", "a series does not say which query it answers", kind="shape")
        found[part].append(one)
    return {name: _answer(series, warnings) for name, series in found.items()}


def _answer(result: list[JsonValue], warnings: tuple[str, ...]) -> Answer:
    kept = [_series(one) for one in result[:SERIES_SHOWN]]
    at = _pair(result[0])[0] if result else None
    return Answer(tuple(kept), len(result), at, warnings)


async def over(ctx: Context, query: str, start: float, end: float, step: float) -> tuple[list[JsonValue], list[str]]:
    """(the series of a range, each with its ``values``, and warnings); times in seconds since 1970."""
    asked = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
    data, warnings = await _asked(ctx, "query_range", asked)
    result = data.get("result")
    if not isinstance(result, list):
        raise Refused("the answer can't be read", "its result is no list", kind="shape")
    return result, list(warnings)


async def fetched(ctx: Context, path: str) -> dict[str, Any]:
    """The ``data`` of another endpoint, such as ``status/buildinfo``."""
    data, _ = await _asked(ctx, path, {})
    return data


async def _asked(ctx: Context, path: str, params: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    config: Config = ctx.config
    sent = dict(params)
    if path.startswith("query"):
        sent["timeout"] = f"{config.timeout:g}s"
    url = f"{config.base_url}/api/v1/{path}" + (f"?{urlencode(sent)}" if sent else "")
    reply = await ctx.read.http("GET", url, timeout=config.timeout, headers=_headers(ctx))
    said = reply.data if isinstance(reply.data, dict) else {}
    if said.get("status") == "error":
        raise _refused(reply, said)
    if reply.status == 429:
        raise TryLater("Prometheus asks to be left alone for a while", "HTTP 429", after_s=reply.retry_after_s)
    data = said.get("data")
    if reply.status != 200 or said.get("status") != "success" or not isinstance(data, dict):
        raise _stranger(reply)
    warnings = said.get("warnings")
    return data, tuple(_line(w) for w in warnings[:5]) if isinstance(warnings, list) else ()


def _refused(reply: CallResult, said: Mapping[str, JsonValue]) -> WarroomError:
    kind = _line(said.get("errorType") or f"HTTP {reply.status}")
    cause = _line(said.get("error") or "without a reason")
    if kind == "timeout":
        return TimedOut("Prometheus gave the query up", cause)
    title = "Prometheus can't read the query" if kind == "bad_data" else "Prometheus refuses the query"
    return Refused(title, f"{kind}: {cause}", "correct the query in the runbook", kind=kind)


def _stranger(reply: CallResult) -> WarroomError:
    """What answers is not, or not only, a Prometheus server."""
    kind = reply.headers.get("content-type", "").split(";")[0][:60] or "no content type"
    if reply.status in (401, 403):
        return BadInput("Prometheus does not let warroom in", f"HTTP {reply.status}", "name its secrets under auth")
    if 300 <= reply.status < 400:
        where = _line(reply.location)
        hint = "give the address it leads to as base_url, or the secrets of a proxy that asks for a sign-in"
        return DoorRefused("a redirect was not followed", f"HTTP {reply.status} leads to {where}", hint)
    if not reply.whole:
        return Refused("the answer is too large", "more than 8 MB", "aggregate in the query, with sum(…)", kind="size")
    hint = "base_url should be where /api/v1/query answers"
    return Refused("what answers is no Prometheus", f"HTTP {reply.status} with {kind}", hint, kind="stranger")


def _headers(ctx: Context) -> dict[str, str]:
    config: Config = ctx.config
    sent = {
        name: value.prefix + ctx.secret(value.secret) if isinstance(value, Secret) else value
        for name, value in config.headers.items()
    }
    auth = config.auth
    if auth is not None and auth.bearer is not None:
        sent["Authorization"] = f"Bearer {_one_line(ctx, auth.bearer)}"
    elif auth is not None and auth.password is not None:
        pair = f"{auth.user}:{_one_line(ctx, auth.password)}"
        sent["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return sent


def _one_line(ctx: Context, name: str) -> str:
    value = ctx.secret(name)
    if not value.isprintable():
        raise BadInput(f"the secret {name} can't be sent", "it has line breaks or control characters", "correct it")
    return value


def _series(one: JsonValue) -> Series:
    labels = one.get("metric") if isinstance(one, dict) else None
    known = {str(k): str(v)[:200] for k, v in labels.items()} if isinstance(labels, dict) else {}
    if isinstance(one, dict) and "value" not in one and "histogram" in one:
        return Series(known, None, "a whole histogram, not a number")
    _, text = _pair(one)
    if not isinstance(text, str):
        return Series(known, None, "its value is not written as Prometheus writes one")
    try:
        value = float(text)
    except ValueError:
        return Series(known, None, f"{_line(text)!r}, not a number")
    return Series(known, value) if math.isfinite(value) else Series(known, None, _line(text))


def _pair(one: JsonValue) -> tuple[float | None, JsonValue]:
    """(when it was evaluated, the value as text) of one series."""
    pair = one.get("value", one.get("histogram")) if isinstance(one, dict) else None
    if not isinstance(pair, list) or len(pair) != 2 or isinstance(pair[0], bool):
        raise Refused("the answer can't be read", "a series has no time and value", kind="shape")
    at = pair[0]
    return (float(at), pair[1]) if isinstance(at, int | float) else (None, pair[1])


def _line(value: object) -> str:
    return " ".join(str(value).split())[:MOST_WARNING]


def why(error: WarroomError, *, fix: bool = True) -> str:
    """The error on one line, cut, ending in what to do about it (``fix``): for a sample's words."""
    said = ": ".join(part.rstrip(".") for part in (error.title, error.cause) if part)[:220]
    return f"{said}; {error.hint}"[:300] if error.hint and fix else said
