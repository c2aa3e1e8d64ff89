"""Evidence and verification as recorded facts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from warroom.model.base import Fact, Instant

Verdict = Literal["pass", "fail", "inconclusive"]


class Artifact(Fact):
    """One file of an evidence bundle: name relative to the bundle, bytes, and its SHA-256 in hex."""

    name: str
    collector: str
    size: int
    sha256: str
    at: Instant
    kind: str = "other"


class CheckResult(Fact):
    """One verification check: ``words`` for people, ``numbers`` for the report. Too little data is inconclusive."""

    id: str
    title: str
    verdict: Verdict
    words: str
    numbers: dict[str, JsonValue] = Field(default_factory=dict)
    proves: str = ""
