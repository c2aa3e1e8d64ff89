"""What a runbook says about a Prometheus server.

platforms:
  metrics:
    plugin: prometheus
    config:
      base_url: http://prometheus.internal:9090
      auth: {bearer: env:PROMETHEUS_TOKEN}
      signals:
        errors:
          title: 5xx ratio
          unit: ratio
          query: >-
            (sum(rate(http_requests_total{code=~"5.."}[1m])) or vector(0)) / sum(rate(http_requests_total[1m]))
          count_query: sum(increase(http_requests_total[1m]))
        p95:
          unit: ms
          query: 1000 * histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))
          count_query: sum(increase(http_request_duration_seconds_count[1m]))

signals:
  http-error-ratio: {title: 5xx ratio, unit: ratio, source: {platform: metrics, signal: errors}}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from warroom.model.base import Duration, Fact, Id
from warroom.model.call import Secret
from warroom.model.url import BaseUrl, SecretName
from warroom_prometheus.promql import checked, newest, ranges

Unit = Literal["ratio", "ms", "s", "bytes", "count", "per-minute", "state"]
PromQL = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(checked)]
Every = Annotated[Duration, Field(ge=0.2, le=3600)]
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4000)]


class Auth(Fact):
    """Either ``bearer``, or ``user`` with ``password``. Secrets are named (``env:NAME``, ``file:/PATH``)."""

    bearer: SecretName | None = None
    user: Annotated[str, Field(pattern=r"^[\x21-\x39\x3b-\x7e]+$", max_length=200)] | None = None
    password: SecretName | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Auth:
        basic = self.user is not None and self.password is not None
        if (self.bearer is None) == (not basic) or (self.user is None) != (self.password is None):
            raise ValueError("either bearer, or user and password, was expected")
        return self


class Signal(Fact):
    """One number, asked again and again. ``query`` gives one series, in ``unit``: a ratio is 0-1, a state 1 or 0.

    ``count_query`` is how many observations its last ``count_over`` had (by default the one range that it names); only
    those that no earlier sample counted are added. 0 says that nothing happened. NaN or no series is unknown: where no
    series means 0, as with errors that never happened, say so with ``or vector(0)``.

    A sample comes once for each scrape, and its time is that of the newest one that ``query`` reads; ``newest_of``
    names the series where another one tells it. Once that is older than ``stale_after`` the signal is unknown. A
    condition of the runbook finds it old by the same, unless it has a ``stale_after`` of its own, which has to be above
    the interval of scrapes. An answer with warnings may lack a part, and is unknown too, unless ``accept_warnings``.
    """

    query: PromQL
    unit: Unit
    title: str = ""
    every: Every | None = None
    count_query: PromQL | None = None
    count_over: Annotated[Duration, Field(ge=1)] | None = None
    newest_of: PromQL | None = None
    stale_after: Annotated[Duration, Field(ge=1)] | None = None
    accept_warnings: bool = False

    @model_validator(mode="after")
    def _count_has_a_range(self) -> Signal:
        if self.count_query is None and self.count_over is not None:
            raise ValueError("count_over needs a count_query")
        if self.count_query is not None and self.count_over is None and len(ranges(self.count_query)) != 1:
            raise ValueError("count_over is needed: count_query does not name exactly one range such as [1m]")
        return self

    @property
    def counted_over(self) -> float:
        """Seconds."""
        return self.count_over or ranges(self.count_query or "x[1m]")[0]

    @property
    def newest(self) -> str:
        """The expression for the time of the newest sample; empty where ``query`` reads none."""
        return newest(self.newest_of or self.query)


class IdentityAt(Fact):
    """A label that only this environment's server has, such as ``cluster``, on the series of ``query``."""

    query: PromQL
    label: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=100)]


class Config(Fact):
    """A server that answers ``base_url``/api/v1/query. Certificates are always checked (``SSL_CERT_FILE`` names a CA).

    ``timeout`` bounds each question, ``every`` is the pause between two of a signal. ``stale_after`` is how old the
    newest sample may be, ``skew`` how far the server's clock may be from this machine's: beyond these a signal is
    unknown.
    """

    base_url: BaseUrl
    auth: Auth | None = None
    headers: dict[Header, HeaderText | Secret] = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(ge=0.1, le=120)] = 5
    every: Every = 10
    stale_after: Annotated[Duration, Field(ge=1)] = 90
    skew: Annotated[Duration, Field(ge=1, le=55)] = 30
    identity: IdentityAt | None = None
    signals: dict[Id, Signal] = Field(default_factory=dict)
