"""The kinds of signals that a runbook may declare on an HTTP service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from warroom.model.base import Duration, Fact, Id
from warroom_http.documents import FieldPath
from warroom_http.steps import Every, FlowStep, Statuses, UrlPath, harmless

Text = Annotated[str, Field(min_length=1, max_length=1000)]


class Health(Fact):
    """1 while the reply is as it should be, 0 when not.

    With ``field``: it equals ``equals``, or its number is ``below`` or ``above`` a limit (strictly; with ``length`` the
    number is how many entries it has). ``expect`` is a part of the JSON that must be there, ``contains`` a text in the
    body's first 65,536 characters. With none of these: the reply is 2xx.

    No reply at all is 0 too: what can't be reached does not serve. A 2xx reply without the field, or without JSON where
    JSON was expected, is unknown, and so is one whose own time, at the field ``at``, is old. What redirects or lets
    nobody in says nothing.
    """

    kind: Literal["health"] = "health"
    title: str = ""
    path: UrlPath
    field: FieldPath | None = None
    equals: JsonValue = "ok"
    above: float | None = None
    below: float | None = None
    length: bool = False
    expect: JsonValue = None
    contains: Text | None = None
    at: FieldPath | None = None
    every: Every | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Health:
        limits = sum(limit is not None for limit in (self.above, self.below))
        if (limits or self.length) and self.field is None:
            raise ValueError("above, below and length need a field")
        if limits + ("equals" in self.model_fields_set) > 1 or (self.length and not limits):
            raise ValueError("one of equals, above and below was expected; length needs above or below")
        return self


class Number(Fact):
    """The number at ``field`` (divided by the one at ``over``, times ``scale``; with ``length`` how many entries it
    has); ``count`` is where the reply says how many observations stand behind it, ``at`` where it says when it was
    measured. No reply, no such field, a time that is old and a number that can't be true are unknown."""

    kind: Literal["number"]
    title: str = ""
    path: UrlPath
    field: FieldPath
    over: FieldPath | None = None
    scale: float = 1
    length: bool = False
    count: FieldPath | None = None
    at: FieldPath | None = None
    unit: Literal["ratio", "ms", "s", "bytes", "count", "per-minute"] = "count"
    every: Every | None = None


class Measured(Fact):
    """What warroom's own requests to ``path`` met over ``window``: the median or the 95th percentile of the response
    time in ms, or the share that got a 5xx or no reply. Each look is one new observation."""

    kind: Literal["p50", "p95", "error-ratio"]
    title: str = ""
    path: UrlPath
    window: Annotated[Duration, Field(ge=1, le=3600)] = 60
    every: Every | None = None


class FlowSignal(Fact):
    """1 while ``step`` of ``flow`` (without a step: all of it) works, 0 when it fails, unknown when not reached."""

    kind: Literal["flow"]
    title: str = ""
    flow: Id
    step: Id | None = None


class CsrfProtection(Fact):
    """Tries what a foreign page would: ``request``, from a foreign origin, without the token. 1 when it is refused.

    ``flow`` is walked first, and its cookies go along: it signs a test account in, and its last step should do the
    same with the token, for only then a refusal says something. Where it does not work, this is unknown.
    """

    kind: Literal["csrf-protection"]
    title: str = ""
    flow: Id | None = None
    request: FlowStep
    refused: Statuses = (400, 403, 419, 422)
    every: Every | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> CsrfProtection:
        if self.request.method != "POST":
            raise ValueError("request needs method: POST, since only what changes something is protected")
        return self


class RateLimiting(Fact):
    """Sends ``request`` up to ``attempts`` times, one after another, until one is refused. 1 when one is.

    Name an account that nobody uses: some services lock it.
    """

    kind: Literal["rate-limiting"]
    title: str = ""
    request: FlowStep
    attempts: Annotated[int, Field(ge=2, le=100)] = 20
    refused: Statuses = 429
    every: Every | None = None


class AuthEnforced(Fact):
    """Asks for what only a signed-in person may have: as nobody, with a forged token, and with an unsigned one. 1 when
    each is refused, 0 when any is let in.

    ``flow`` is walked first: its last step should ask for the same as a test account, for only then a refusal says
    something. Its cookies do not go along, nor do the configuration's headers that hold a secret.
    """

    kind: Literal["auth-enforced"]
    title: str = ""
    flow: Id | None = None
    request: FlowStep
    refused: Statuses = (401, 403)
    every: Every | None = None

    @model_validator(mode="after")
    def _as_nobody(self) -> AuthEnforced:
        lets_in = [name for name, value in self.request.headers.items() if not harmless(name, value)]
        if lets_in:
            raise ValueError(f"request may not have the header {lets_in[0]}: it is sent as nobody")
        return self


class Active(Fact):
    """How active probes may be tried: the kinds ``csrf-protection``, ``rate-limiting`` and ``auth-enforced``.

    Each is tried every ``every`` at most, all together with no more than ``per_minute`` requests. In production they
    are off unless ``in_production`` says so, together with an ``every`` of 10 s or more.
    """

    every: Every = 60
    per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    in_production: bool = False

    @model_validator(mode="after")
    def _a_rate(self) -> Active:
        if self.in_production and ("every" not in self.model_fields_set or self.every < 10):
            raise ValueError("in_production needs an every of its own, of 10s or more")
        return self


ActiveSignal = CsrfProtection | RateLimiting | AuthEnforced
Page = Health | Number | Measured
_MEASURED = ("p50", "p95", "error-ratio")
_KINDS = ("health", "number", "flow", "csrf-protection", "rate-limiting", "auth-enforced")


def _kind(value: Any) -> str:
    kind = value.get("kind", "health") if isinstance(value, dict) else getattr(value, "kind", "health")
    return "measured" if kind in _MEASURED else str(kind)


AnySignal = Annotated[
    Annotated[Health, Tag("health")]
    | Annotated[Number, Tag("number")]
    | Annotated[Measured, Tag("measured")]
    | Annotated[FlowSignal, Tag("flow")]
    | Annotated[CsrfProtection, Tag("csrf-protection")]
    | Annotated[RateLimiting, Tag("rate-limiting")]
    | Annotated[AuthEnforced, Tag("auth-enforced")],
    Discriminator(
        _kind,
        custom_error_type="signal_kind",
        custom_error_message=f"kind is one of {', '.join((*_KINDS, *_MEASURED))}",
    ),
]
