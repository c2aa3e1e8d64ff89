"""Errors, new issues and releases from Sentry's HTTP API. It only reads, and no faster than Sentry allows."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_sentry.config import Config
from warroom_sentry.evidence import ErrorsCollector
from warroom_sentry.probes import NewIssuesProbe
from warroom_sentry.signals import SentrySignals
from warroom_sentry.standing import SentryReadiness

plugin = Plugin(
    name="sentry",
    version="1",
    config=Config,
    probes=(NewIssuesProbe(),),
    collectors=(ErrorsCollector(),),
    signals=SentrySignals(),
    readiness=SentryReadiness(),
)
