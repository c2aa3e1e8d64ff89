"""Walking a flow: requests in order, each one's captured values handed to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import JsonValue

from warroom.api import Context, WarroomError
from warroom.model.call import CallResult
from warroom_http.asking import ask, no_reply, resolved, why
from warroom_http.documents import MISSING, lacking, pick, short
from warroom_http.steps import NAME, FlowStep, Statuses


@dataclass(frozen=True)
class Walked:
    """How one step went: ``works`` True or False, None where it could not be tried. ``seconds`` is the reply's time."""

    step: str
    works: bool | None
    words: str
    seconds: float = 0
    status: int = 0


@dataclass
class Kept:
    """What a walk captured by name, and the cookies that it was given."""

    values: dict[str, JsonValue] = field(default_factory=dict)
    jar: dict[str, str] = field(default_factory=dict)


async def walk(ctx: Context, steps: Mapping[str, FlowStep], kept: Kept | None = None) -> list[Walked]:
    """Every step up to the first that does not work; the rest is not reached, which is unknown, not failed.

    ``kept`` is filled, and holds nothing of an earlier walk unless it is handed in again.
    """
    kept = kept or Kept()
    walked: list[Walked] = []
    for step_id, step in steps.items():
        if walked and walked[-1].works is not True:
            stopped = next(w for w in walked if w.works is not True)
            walked.append(Walked(step_id, None, f"not reached: {stopped.step} did not work"))
            continue
        walked.append(await _step(ctx, step_id, step, kept))
    return walked


async def _step(ctx: Context, step_id: str, step: FlowStep, kept: Kept) -> Walked:
    name = step.title or step_id
    try:
        reply = await send(ctx, step, kept)
    except WarroomError as error:
        return Walked(step_id, False if no_reply(error) else None, f"{name}: {why(error)}")
    kept.jar.update(reply.cookies)
    problem = judged(reply, step.status, _filled(step.expect, kept.values)) or _capture(reply, step, kept.values)
    if problem:
        return Walked(step_id, False, f"{name}: {problem}", reply.seconds, reply.status)
    return Walked(step_id, True, f"{name}: HTTP {reply.status} in {reply.seconds * 1000:.0f} ms", reply.seconds)


async def send(
    ctx: Context, step: FlowStep, kept: Kept, *, headers: Mapping[str, str] | None = None, stranger: bool = False
) -> CallResult:
    """The reply to one step with what was captured filled in. ``headers`` go over the step's own."""
    own = {name: _header(text, kept.values) if isinstance(text, str) else text for name, text in step.headers.items()}
    return await ask(
        ctx,
        NAME.sub(lambda m: quote(_plain(kept.values[m[1]]), safe=""), step.path),
        method=step.method,
        headers={**resolved(ctx, own), **(headers or {})},
        body=_body(ctx, step.body, kept.values),
        cookies=dict(kept.jar) or None,
        expected=allowed(step.status),
        stranger=stranger,
    )


def allowed(status: Statuses | None) -> frozenset[int]:
    """The statuses that a runbook asks for by number."""
    if status is None:
        return frozenset()
    return frozenset((status,)) if isinstance(status, int) else frozenset(status)


def judged(reply: CallResult, status: Statuses | None, expect: JsonValue) -> str:
    """What is wrong with a reply, in words; empty when nothing is."""
    wanted = allowed(status)
    if reply.status not in wanted if wanted else not 200 <= reply.status < 300:
        asked = " or ".join(str(s) for s in sorted(wanted)) or "2xx"
        return f"HTTP {reply.status}, {asked} was expected"
    if expect is None:
        return ""
    if reply.data is None:
        return not_json(reply)
    return lacking(expect, reply.data)


def not_json(reply: CallResult) -> str:
    """Why there is no document to look into."""
    if not reply.whole:
        return "the reply is larger than 8 MB"
    kind = reply.headers.get("content-type", "").split(";")[0][:60]
    return f"the reply is not JSON ({kind or 'no content type'})"


def _capture(reply: CallResult, step: FlowStep, kept: dict[str, JsonValue]) -> str:
    for name, source in step.capture.items():
        kind, _, where = source.partition(":")
        if kind == "cookie":
            if where not in reply.cookies:
                return f"the reply sets no cookie {where}"
            kept[name] = reply.cookies[where]
            continue
        found = pick(reply.data, where)
        if found is MISSING or not isinstance(found, str | int | float) or isinstance(found, bool):
            return f"the reply has no text or number at {where}"
        kept[name] = found
    return ""


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else short(value, 4000)


def _header(text: str, kept: Mapping[str, JsonValue]) -> str:
    """Captured text in a header loses what would begin another header."""
    filled = NAME.sub(lambda m: _plain(kept[m[1]]), text)
    return "".join(c for c in filled if " " <= c <= "~")


def _body(ctx: Context, body: JsonValue, kept: Mapping[str, JsonValue]) -> dict[str, JsonValue] | None:
    if not isinstance(body, dict):
        return None
    return {key: _private(ctx, value, kept) for key, value in body.items()}


def _private(ctx: Context, value: JsonValue, kept: Mapping[str, JsonValue]) -> JsonValue:
    if isinstance(value, dict):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            return ctx.secret(value["secret"])
        return {key: _private(ctx, inner, kept) for key, inner in value.items()}
    if isinstance(value, list):
        return [_private(ctx, inner, kept) for inner in value]
    return _filled(value, kept)


def _filled(value: JsonValue, kept: Mapping[str, JsonValue]) -> JsonValue:
    """``${name}`` replaced by what was captured; a text that is nothing else keeps the value's type."""
    if isinstance(value, dict):
        return {key: _filled(inner, kept) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, kept) for inner in value]
    if not isinstance(value, str):
        return value
    if whole := NAME.fullmatch(value):
        return kept[whole[1]]
    return NAME.sub(lambda m: _plain(kept[m[1]]), value)
