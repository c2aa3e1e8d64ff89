"""What a runbook says about a service that is reached over HTTP.

platforms:
  app:
    plugin: http
    config:
      base_url: https://app.example.com
      signals:
        health: {path: /api/health, field: status, equals: ok}
        webhooks: {path: /api/payments/health, field: webhooks.pending, below: 100}
        own-p95: {kind: p95, path: /api/health, window: 2m}
        sign-in: {kind: flow, flow: auth, step: signin}
        session: {kind: flow, flow: auth, step: session}
        refresh: {kind: flow, flow: auth, step: refresh}
        csrf:
          kind: csrf-protection
          flow: auth
          request: {method: POST, path: /api/profile, body: {name: warroom probe}}
      active: {every: 1m}
      flows:
        auth:
          every: 30s
          steps:
            signin:
              method: POST
              path: /api/auth/signin
              body: {email: probe@example.com, password: {secret: env:PROBE_PASSWORD}}
              capture: {token: "json:token"}
            session: {path: /api/auth/session, status: 200}
            refresh: {method: POST, path: /api/auth/refresh, body: {token: "${token}"}}
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from warroom.model.base import Duration, Fact, Id
from warroom.model.url import BaseUrl
from warroom_http.declared import Active, ActiveSignal, AnySignal, FlowSignal
from warroom_http.documents import FieldPath
from warroom_http.steps import Every, Flow, Headers, UrlPath, Wait


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
    """A service over HTTP. ``timeout`` bounds each request, ``every`` is the pause between two askings of a signal.

    Where a reply says when it was measured, it may be ``stale_after`` old, and ``skew`` ahead of this machine's clock.
    Certificates are always checked (``SSL_CERT_FILE`` names a CA), and no redirect is followed.
    """

    base_url: BaseUrl
    headers: Headers = Field(default_factory=dict)
    timeout: Wait = 5
    every: Every = 5
    stale_after: Annotated[Duration, Field(ge=1)] = 90
    skew: Annotated[Duration, Field(ge=1, le=55)] = 30
    health: UrlPath = "/api/health"
    version: VersionAt | None = None
    identity: IdentityAt | None = None
    signals: dict[Id, AnySignal] = Field(default_factory=dict)
    flows: dict[Id, Flow] = Field(default_factory=dict)
    active: Active = Field(default_factory=Active)

    @model_validator(mode="after")
    def _flows_exist(self) -> Config:
        for name, signal in self.signals.items():
            wanted = getattr(signal, "flow", None)
            flow = self.flows.get(wanted) if wanted is not None else None
            if wanted is not None and flow is None:
                raise ValueError(f"signal {name}: there is no flow {wanted}; there is {_list(self.flows)}")
            step = signal.step if isinstance(signal, FlowSignal) else None
            if flow is not None and step is not None and step not in flow.steps:
                raise ValueError(f"signal {name}: flow {wanted} has no step {step}; it has {_list(flow.steps)}")
            if isinstance(signal, ActiveSignal):
                known = {kept for step in flow.steps.values() for kept in step.capture} if flow is not None else set()
                if missing := next((used for used in signal.request.names() if used not in known), None):
                    raise ValueError(f"signal {name}: its request uses ${{{missing}}}, which no flow of it captures")
        return self

    @model_validator(mode="after")
    def _active_within_the_rate(self) -> Config:
        asked = sum(
            self.requests(signal) * 60 / self.pause(signal)
            for signal in self.signals.values()
            if isinstance(signal, ActiveSignal)
        )
        if asked > self.active.per_minute:
            raise ValueError(
                f"the active probes would send {asked:.0f} requests a minute, active allows {self.active.per_minute}:"
                " try them less often, with fewer attempts, or raise per_minute"
            )
        return self

    def pause(self, signal: ActiveSignal) -> float:
        """Seconds between two tries: never less than ``active`` says."""
        return max(signal.every or 0, self.active.every)

    def requests(self, signal: ActiveSignal) -> int:
        """How many requests one try sends at most."""
        flow = getattr(signal, "flow", None)
        own = {"rate-limiting": getattr(signal, "attempts", 1), "auth-enforced": 3}.get(signal.kind, 1)
        return own + (len(self.flows[flow].steps) if flow in self.flows else 0)


def _list(names: Any) -> str:
    return ", ".join(names) or "none"
