"""Signals, checks and evidence from a Prometheus server, or anything that speaks its query API. It only reads."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_prometheus.config import Config
from warroom_prometheus.evidence import MetricsCollector
from warroom_prometheus.probes import QueryProbe
from warroom_prometheus.signals import PrometheusSignals
from warroom_prometheus.standing import PrometheusIdentity, PrometheusReadiness

plugin = Plugin(
    name="prometheus",
    version="1",
    config=Config,
    probes=(QueryProbe(),),
    collectors=(MetricsCollector(),),
    signals=PrometheusSignals(),
    readiness=PrometheusReadiness(),
    identity=PrometheusIdentity(),
)
