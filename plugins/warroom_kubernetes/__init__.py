"""Workloads in a Kubernetes cluster: what runs, what ran, and how they are brought back to an earlier revision."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_kubernetes.changes.sender import KubernetesSender
from warroom_kubernetes.config import Config
from warroom_kubernetes.evidence.collecting import LogCollector, StateCollector
from warroom_kubernetes.logs import KubernetesLogs
from warroom_kubernetes.operations import OPERATIONS
from warroom_kubernetes.probes import PROBES
from warroom_kubernetes.releases import KubernetesReleases
from warroom_kubernetes.signals import KubernetesSignals
from warroom_kubernetes.standing import KubernetesDeploying, KubernetesIdentity, KubernetesReadiness

plugin = Plugin(
    name="kubernetes",
    version="1",
    config=Config,
    operations=OPERATIONS,
    probes=PROBES,
    collectors=(LogCollector(), StateCollector()),
    signals=KubernetesSignals(),
    logs=KubernetesLogs(),
    releases=KubernetesReleases(),
    deploying=KubernetesDeploying(),
    readiness=KubernetesReadiness(),
    sender=KubernetesSender(),
    identity=KubernetesIdentity(),
)
