"""What the plugin can do. Imported when the plugin is asked for, not with each of its modules."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_postgres.choosing.backups import BackupChooser
from warroom_postgres.choosing.databases import KeptChooser, RestoredChooser
from warroom_postgres.config import Config
from warroom_postgres.dumping.backup import DatabaseBacker
from warroom_postgres.dumping.collector import DumpCollector
from warroom_postgres.dumping.proof import DumpProver
from warroom_postgres.evidence import StateCollector
from warroom_postgres.integrity.assess import Assess
from warroom_postgres.integrity.counts import CountsProbe
from warroom_postgres.integrity.probe import IntegrityProbe
from warroom_postgres.restoring.compare import Compare
from warroom_postgres.restoring.restore import Restore
from warroom_postgres.signals import PostgresSignals
from warroom_postgres.standing import PostgresIdentity, PostgresReadiness
from warroom_postgres.swapping.discard import Discard
from warroom_postgres.swapping.swap import Swap

plugin = Plugin(
    name="postgres",
    version="1",
    config=Config,
    operations=(Assess(), Restore(), Compare(), Swap(), Discard()),
    probes=(IntegrityProbe(), CountsProbe()),
    choosers={"backups": BackupChooser(), "restored": RestoredChooser(), "kept": KeptChooser()},
    collectors=(StateCollector(), DumpCollector()),
    provers={"dump": DumpProver()},
    signals=PostgresSignals(),
    readiness=PostgresReadiness(),
    identity=PostgresIdentity(),
    backer=DatabaseBacker(),
)
