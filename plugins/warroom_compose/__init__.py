"""A Docker Compose project: what runs in it, what ran, and how it is brought back to an earlier image.

Only Compose v2, the ``docker compose`` command, is spoken.
"""

from __future__ import annotations

from warroom.api import Plugin
from warroom_compose.config import Config
from warroom_compose.evidence import DefinitionCollector, LogCollector, StateCollector
from warroom_compose.logs import ComposeLogs
from warroom_compose.operations import OPERATIONS
from warroom_compose.probes import PROBES
from warroom_compose.releases import ComposeReleases
from warroom_compose.signals import ComposeSignals
from warroom_compose.standing import ComposeDeploying, ComposeIdentity, ComposeReadiness

plugin = Plugin(
    name="compose",
    version="1",
    config=Config,
    operations=OPERATIONS,
    probes=PROBES,
    collectors=(LogCollector(), StateCollector(), DefinitionCollector()),
    signals=ComposeSignals(),
    logs=ComposeLogs(),
    releases=ComposeReleases(),
    deploying=ComposeDeploying(),
    readiness=ComposeReadiness(),
    identity=ComposeIdentity(),
)
