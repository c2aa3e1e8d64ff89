"""What a runbook says about a service that is reached over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, JsonValue, Tag, model_validator

from warroom.model.base import Duration, Fact, Id
from warroom.model.call import Secret
from warroom.model.url import BaseUrl, path_text
from warroom_http.documents import FieldPath

NAME = re.compile(r"\$\{([a-z][a-z0-9_]{0,40})\}")
_CAPTURE = r"^(?:json:.{1,200}|cookie:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100})$"
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"


def _fixed(text: str) -> str:
    if "${" in text:
        raise ValueError("only the steps of a flow may use ${…}")
    return path_text(text)


FlowPath = Annotated[str, Field(max_length=500), AfterValidator(path_text)]
UrlPath = Annotated[str, Field(max_length=500), AfterValidator(_fixed)]
HeaderName = Annotated[str, Field(pattern=_HEADER)]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4000)]
Headers = dict[HeaderName, HeaderText | Secret]
Every = Annotated[Duration, Field(ge=0.2)]
Wait = Annotated[Duration, Field(ge=0.1, le=120)]
Status = Annotated[int, Field(ge=100, le=599)]
Statuses = Status | tuple[Status, ...]


class Health(Fact):
    """1 while ``field`` of the reply equals ``equals`` (without a field: while the reply is 2xx), 0 when not.

    No reply at all is 0 too: what can't be reached does not serve. A 2xx reply without the field is unknown.
    """

    kind: Literal["health"] = "health"
    title: str = ""
    path: UrlPath
    field: FieldPath | None = None
    equals: JsonValue = "ok"
    every: Every | None = None


class Number(Fact):
    """The number at ``field`` (divided by the one at ``over``, times ``scale``); ``count`` is where the reply says
    how many observations stand behind it. No reply, or no such field, is unknown."""

    kind: Literal["number"]
    title: str = ""
    path: UrlPath
    field: FieldPath
    over: FieldPath | None = None
    scale: float = 1
    count: FieldPath | None = None
    unit: Literal["ratio", "ms", "s", "bytes", "count", "per-minute"] = "count"
    every: Every | None = None


class Measured(Fact):
    """What warroom's own requests to ``path`` met over ``window``: the 95th percentile of the response time in ms, or
    the share that got a 5xx or no reply."""

    kind: Literal["p95", "error-ratio"]
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


def _kind(value: Any) -> str:
    kind = value.get("kind", "health") if isinstance(value, dict) else getattr(value, "kind", "health")
    return "measured" if kind in ("p95", "error-ratio") else str(kind)


AnySignal = Annotated[
    Annotated[Health, Tag("health")]
    | Annotated[Number, Tag("number")]
    | Annotated[Measured, Tag("measured")]
    | Annotated[FlowSignal, Tag("flow")],
    Discriminator(
        _kind,
        custom_error_type="signal_kind",
        custom_error_message="kind is health, number, p95, error-ratio or flow",
    ),
]


class FlowStep(Fact):
    """One request. ``capture`` keeps values of the reply for later steps' ``${name}``: ``json:a.b``, ``cookie:name``.

    ``expect`` is the part of the JSON reply that must be there. In ``body``, ``{secret: env:NAME}`` stands for a
    secret. Cookies that a reply sets go along with the steps after it.
    """

    title: str = ""
    method: Literal["GET", "HEAD", "POST"] = "GET"
    path: FlowPath
    headers: Headers = Field(default_factory=dict)
    body: dict[str, JsonValue] | None = None
    status: Statuses | None = None
    expect: JsonValue = None
    capture: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Annotated[str, Field(pattern=_CAPTURE)]] = (
        Field(default_factory=dict)
    )

    @model_validator(mode="after")
    def _body_needs_post(self) -> FlowStep:
        if self.body is not None and self.method != "POST":
            raise ValueError("a body needs method: POST")
        return self

    def names(self) -> Iterator[str]:
        """Every ``${name}`` this step uses."""
        texts = [self.path, *(h for h in self.headers.values() if isinstance(h, str)), *_texts(self.body)]
        for text in (*texts, *_texts(self.expect)):
            yield from NAME.findall(text)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


class Steps(Fact):
    """Requests in order; each later one may use what an earlier one captured."""

    steps: dict[Id, FlowStep] = Field(min_length=1, max_length=40)

    @model_validator(mode="after")
    def _captured_before_used(self) -> Steps:
        known: set[str] = set()
        for step_id, step in self.steps.items():
            if missing := next((name for name in step.names() if name not in known), None):
                raise ValueError(f"step {step_id} uses ${{{missing}}}, which no earlier step captures")
            known |= set(step.capture)
        return self


class Flow(Steps):
    """A flow by name. As a signal it is walked every ``every``; it should then change nothing that matters."""

    title: str = ""
    every: Every | None = None


class VersionAt(Fact):
    """Where the service says what it is."""

    path: UrlPath = "/api/version"
    version: FieldPath = "version"
    commit: FieldPath = "commit"
    digest: FieldPath = "digest"


class IdentityAt(Fact):
    """A value that only this environment's service gives."""

    path: UrlPath
    field: FieldPath


class Config(Fact):
    """A service over HTTP. ``timeout`` bounds each request, ``every`` is the pause between two askings of a signal."""

    base_url: BaseUrl
    headers: Headers = Field(default_factory=dict)
    timeout: Wait = 5
    every: Every = 5
    health: UrlPath = "/api/health"
    version: VersionAt | None = None
    identity: IdentityAt | None = None
    signals: dict[Id, AnySignal] = Field(default_factory=dict)
    flows: dict[Id, Flow] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _flows_exist(self) -> Config:
        for name, signal in self.signals.items():
            if not isinstance(signal, FlowSignal):
                continue
            flow = self.flows.get(signal.flow)
            if flow is None:
                raise ValueError(f"signal {name}: there is no flow {signal.flow}; there is {_list(self.flows)}")
            if signal.step is not None and signal.step not in flow.steps:
                raise ValueError(
                    f"signal {name}: flow {signal.flow} has no step {signal.step}; it has {_list(flow.steps)}"
                )
        return self


def _list(names: Any) -> str:
    return ", ".join(names) or "none"
