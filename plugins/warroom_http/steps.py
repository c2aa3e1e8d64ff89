"""Requests as a runbook writes them: one step, and flows of steps that hand on what they captured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from warroom.model.base import Duration, Fact, Id
from warroom.model.call import Secret
from warroom.model.url import path_text

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


def harmless(name: str, value: str | Secret) -> bool:
    """A header that lets nobody in."""
    return isinstance(value, str) and name.lower() not in ("authorization", "cookie", "x-api-key")


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
