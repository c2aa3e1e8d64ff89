"""PostgreSQL as an application uses it through Prisma: how full it is, what blocks, whether its data still holds.

It reads, in read-only transactions, and changes nothing.
"""

from __future__ import annotations

from warroom.api import Plugin
from warroom_postgres.config import Config
from warroom_postgres.evidence import StateCollector
from warroom_postgres.signals import PostgresSignals
from warroom_postgres.standing import PostgresIdentity, PostgresReadiness

plugin = Plugin(
    name="postgres",
    version="1",
    config=Config,
    collectors=(StateCollector(),),
    signals=PostgresSignals(),
    readiness=PostgresReadiness(),
    identity=PostgresIdentity(),
)
