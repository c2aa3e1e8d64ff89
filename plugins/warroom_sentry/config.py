"""What a runbook says about a Sentry project.

    platforms:
      errors:
        plugin: sentry
        config:
          base_url: https://sentry.io
          organization: acme
          project: web
          environment: production
          token: env:SENTRY_TOKEN
          signals:
            errors: {kind: errors, query: "level:error"}
            errors-of-newest: {kind: errors, release: newest}
            new-issues: {kind: new-issues}

    signals:
      errors-per-minute: {title: errors, unit: per-minute, source: {platform: errors, signal: errors}}

The token is an internal integration's or a person's, with the scopes ``event:read``, ``project:read`` and ``org:read``.
An organization's own token (``sntrys_…``) reads releases only. Errors come once a minute: a ``stale_after`` that the
runbook gives such a signal itself has to be ``3m`` or more. They are counts without a whole: the share of failed
requests comes from elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from warroom.model.base import Duration, Fact, Id
from warroom.model.url import BaseUrl, SecretName

Slug = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]*$", max_length=100)]
Search = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)]
Version = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f\"\\*]+$", min_length=1, max_length=250)]


class Errors(Fact):
    """Errors in the newest whole minute. ``release`` is ``all``, ``newest`` (the one deployed last), or a version.

    ``query`` is a Sentry search that narrows them. A minute is whole ``lag`` after its end: events come late.
    """

    kind: Literal["errors"] = "errors"
    title: str = ""
    query: Search = ""
    release: Version = "all"
    lag: Annotated[Duration, Field(le=600)] = 20


class NewIssues(Fact):
    """Issues that were first seen after the newest release's deploy."""

    kind: Literal["new-issues"]
    title: str = ""
    query: Search = "is:unresolved"


def _kind(value: object) -> str:
    kind = value.get("kind", "errors") if isinstance(value, dict) else getattr(value, "kind", "errors")
    return str(kind)


AnySignal = Annotated[
    Annotated[Errors, Tag("errors")] | Annotated[NewIssues, Tag("new-issues")],
    Discriminator(_kind, custom_error_type="signal_kind", custom_error_message="kind is errors or new-issues"),
]


class Config(Fact):
    """One project of one organization. ``every`` is the pause between two looks; Sentry limits how often it is asked,
    and what it answers about that is obeyed. ``skew`` is how far its clock may be from this machine's."""

    base_url: BaseUrl = "https://sentry.io"
    organization: Slug
    project: Slug
    environment: Annotated[str, Field(pattern=r"^[^\x00-\x20\x7f/]+$", max_length=64)] | None = None
    token: SecretName
    timeout: Annotated[Duration, Field(ge=0.1, le=120)] = 10
    every: Annotated[Duration, Field(ge=1, le=3600)] = 30
    skew: Annotated[Duration, Field(ge=1)] = 60
    signals: dict[Id, AnySignal] = Field(default_factory=dict)
