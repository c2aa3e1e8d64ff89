"""What a runbook says about a PostgreSQL database."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from warroom.model.base import Duration, Fact, Id
from warroom_postgres.backups.config import Backups
from warroom_postgres.container import Through
from warroom_postgres.rules import Integrity, Table

Secret = Annotated[str, Field(pattern=r"^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+)$", max_length=4000)]
"""The name of a secret whose value is the address, as the application has it in DATABASE_URL."""


class Pool(Fact):
    """The application's connection pool: ``size`` is that of all its processes together.

    Its sessions are those of the address's own user, or those that call themselves ``application``.
    """

    size: int = Field(ge=1, le=100_000)
    application: str | None = Field(default=None, max_length=63)


class Dump(Fact):
    """The dump that is taken as evidence. ``take`` False: none is.

    ``jobs`` connections read at once where that pays, and never more than this machine has processors. It ends after
    ``timeout``, and waits ``lock_wait`` for a table that somebody has locked. Of a database that has no more bytes than
    ``prove_up_to`` the dump is then restored beside, in a database of its own that is taken away again; 0: never.
    """

    take: bool = True
    jobs: int = Field(default=4, ge=1, le=32)
    timeout: Annotated[Duration, Field(ge=1, le=21600)] = 3600
    lock_wait: Annotated[Duration, Field(ge=0.1, le=600)] = 15
    prove_up_to: int = Field(default=5 * 1024**3, ge=0)


class Config(Fact):
    """``every`` is the pause between two looks, ``timeout`` the longest that one may take.

    ``schema_every`` is the same for what changes rarely: migrations, constraints, the size.

    ``direct`` names the server's own address where ``url`` leads to a connection pooler, as Prisma's directUrl does;
    dumps take it, and so does all that changes something. ``restore_as`` is the address of another role that restores
    backups beside: it has CREATEDB, and may reach nothing beyond its databases. ``through`` is for a server in a
    container. ``tools`` is the folder of PostgreSQL's programs; left out, those that fit the server are looked for
    where they usually are. ``backups`` are folders of dumps on this machine.
    """

    url: Secret = "env:DATABASE_URL"
    direct: Secret | None = None
    restore_as: Secret | None = None
    through: Through | None = None
    tools: Annotated[str, Field(pattern=r"^/[^\x00-\x1f]{1,1000}$")] | None = None
    dump: Dump = Dump()
    every: Annotated[Duration, Field(ge=0.2)] = 5
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 3
    schema_every: Annotated[Duration, Field(ge=0.2)] = 15
    pool: Pool | None = None
    migrations: Table = "_prisma_migrations"
    integrity: dict[Id, Integrity] = Field(default_factory=dict)
    backups: Backups | None = None

    @model_validator(mode="after")
    def _names_are_free(self) -> Config:
        if taken := next((name for name in self.integrity if name in OWN_SIGNALS), None):
            raise ValueError(f"integrity may not name a signal {taken}: there is one already")
        return self


OWN_SIGNALS = (
    *("reachable", "connections-used", "pool-used", "sessions-active", "sessions-idle"),
    *("sessions-idle-in-transaction", "sessions-waiting", "longest-transaction", "locks-waiting"),
    *("database-size", "migrations-failed", "constraints-invalid", "indexes-invalid"),
)
"""What every database gives, whatever is configured."""
