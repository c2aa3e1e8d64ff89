"""What a runbook says about a PostgreSQL database."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from warroom.model.base import Duration, Fact, Id

Secret = Annotated[str, Field(pattern=r"^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+)$", max_length=4000)]
"""The name of a secret whose value is the address, as the application has it in DATABASE_URL."""


def _name(text: str) -> str:
    if any(not part or len(part.encode()) > 63 for part in text.split(".")) or not text.isprintable():
        raise ValueError("a table or column as it is written in the database was expected, such as User or app.User")
    return text


Column = Annotated[str, Field(max_length=63), AfterValidator(_name)]
Table = Annotated[str, Field(max_length=127), AfterValidator(_name)]
"""As it is spelled, capitals too; ``schema.table`` for one outside the application's schema."""


class Nulls(Fact):
    """Rows of ``table`` without a value in ``column``."""

    kind: Literal["nulls"]
    table: Table
    column: Column


class Orphans(Fact):
    """Rows of ``table`` whose ``column`` names no ``key`` of ``parent``; with ``or_null`` also those that name none."""

    kind: Literal["orphans"]
    table: Table
    column: Column
    parent: Table
    key: Column = "id"
    or_null: bool = False


class Duplicates(Fact):
    """How many values of ``columns`` together stand in more than one row of ``table``."""

    kind: Literal["duplicates"]
    table: Table
    columns: tuple[Column, ...] = Field(min_length=1, max_length=8)


class Counted(Fact):
    """A query of the runbook's own, whose first column of its one row is how many cases there are."""

    kind: Literal["sql"]
    sql: str = Field(min_length=8, max_length=4000)


def _kind(value: Any) -> str:
    return str(value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None))


Count = Annotated[
    Annotated[Nulls, Tag("nulls")]
    | Annotated[Orphans, Tag("orphans")]
    | Annotated[Duplicates, Tag("duplicates")]
    | Annotated[Counted, Tag("sql")],
    Discriminator(
        _kind, custom_error_type="count_kind", custom_error_message="kind is nulls, orphans, duplicates or sql"
    ),
]


class Integrity(Fact):
    """A signal: how many cases its ``counts`` find together.

    Each count is stopped by the server after ``timeout``. A round begins ``every`` so often, and more rarely when it
    takes long: of the time, no more than a twentieth is spent counting.
    """

    title: str = ""
    every: Annotated[Duration, Field(ge=1)] = 60
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 5
    counts: dict[Id, Count] = Field(min_length=1, max_length=20)


class Pool(Fact):
    """The application's connection pool: ``size`` is that of all its processes together.

    Its sessions are those of the address's own user, or those that call themselves ``application``.
    """

    size: int = Field(ge=1, le=100_000)
    application: str | None = Field(default=None, max_length=63)


class Config(Fact):
    """``every`` is the pause between two looks, ``timeout`` the longest that one may take.

    ``schema_every`` is the same for what changes rarely: migrations, constraints, the size.
    """

    url: Secret = "env:DATABASE_URL"
    every: Annotated[Duration, Field(ge=0.2)] = 5
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 3
    schema_every: Annotated[Duration, Field(ge=0.2)] = 15
    pool: Pool | None = None
    migrations: Table = "_prisma_migrations"
    integrity: dict[Id, Integrity] = Field(default_factory=dict)

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
