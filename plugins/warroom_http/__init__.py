"""Health, critical flows and JSON metrics of a service, over its own HTTP interface. It reads; it changes nothing."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_http.config import Config
from warroom_http.probes import FlowProbe, GetProbe, VersionProbe
from warroom_http.signals import HttpSignals
from warroom_http.standing import HttpIdentity, HttpReadiness, HttpReleases

plugin = Plugin(
    name="http",
    version="1",
    config=Config,
    probes=(GetProbe(), FlowProbe(), VersionProbe()),
    signals=HttpSignals(),
    releases=HttpReleases(),
    readiness=HttpReadiness(),
    identity=HttpIdentity(),
)
