"""The drill lab, over its control endpoint."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_lab.config import Config
from warroom_lab.deploy import Deploy
from warroom_lab.evidence import DatabaseCollector, LogCollector, StateCollector
from warroom_lab.logs import LabLogs
from warroom_lab.operations import App, ClearCache, Restart, WaitReady, Writes
from warroom_lab.probes import RowCounts
from warroom_lab.releases import LabReleases
from warroom_lab.signals import LabSignals
from warroom_lab.standing import LabDeploying, LabIdentity, LabReadiness

plugin = Plugin(
    name="lab",
    version="1",
    config=Config,
    probes=(RowCounts(),),
    operations=(
        *(Deploy(), Restart(), App(stop=True), App(stop=False)),
        *(Writes(stop=True), Writes(stop=False), ClearCache(), WaitReady()),
    ),
    collectors=(DatabaseCollector(), LogCollector(), StateCollector()),
    signals=LabSignals(),
    logs=LabLogs(),
    releases=LabReleases(),
    deploying=LabDeploying(),
    readiness=LabReadiness(),
    identity=LabIdentity(),
)
