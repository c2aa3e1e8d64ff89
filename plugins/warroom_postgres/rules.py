"""What must hold of the data, as a runbook says it: a rule names tables and columns, and its cases are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from warroom.model.base import Duration, Fact, Id


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


class ForeignKeys(Fact):
    """Rows that break a foreign key which the database declares, also one that it has never validated.

    ``but``: tables whose foreign keys are left out.
    """

    kind: Literal["foreign-keys"]
    but: tuple[Table, ...] = Field(default=(), max_length=100)


class UniqueIndexes(Fact):
    """Values that stand in several rows where a unique index was to forbid it, and was never made to its end."""

    kind: Literal["unique-indexes"]


class Sequences(Fact):
    """Sequences whose next number is taken already."""

    kind: Literal["sequences"]


def _kind(value: Any) -> str:
    return str(value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None))


Rule = Nulls | Orphans | Duplicates
"""One that names its table itself."""
_MESSAGE = "kind is nulls, orphans, duplicates or sql"
_RULES = (
    Annotated[Nulls, Tag("nulls")]
    | Annotated[Orphans, Tag("orphans")]
    | Annotated[Duplicates, Tag("duplicates")]
    | Annotated[Counted, Tag("sql")]
)
RuleCount = Annotated[_RULES, Discriminator(_kind, custom_error_type="count_kind", custom_error_message=_MESSAGE)]
Count = Annotated[
    _RULES
    | Annotated[ForeignKeys, Tag("foreign-keys")]
    | Annotated[UniqueIndexes, Tag("unique-indexes")]
    | Annotated[Sequences, Tag("sequences")],
    Discriminator(
        _kind,
        custom_error_type="count_kind",
        custom_error_message=f"{_MESSAGE}, or foreign-keys, unique-indexes or sequences",
    ),
]


class Integrity(Fact):
    """A signal: how many cases its ``counts`` find together.

    Each count is stopped by the server after ``timeout``. A round begins ``every`` so often, and more rarely when it
    takes long: of the time, no more than ``share`` is spent counting. A table of more rows than ``largest``, by the
    server's own estimate, is not read through for it: the signal is unknown then.
    """

    title: str = ""
    every: Annotated[Duration, Field(ge=1)] = 60
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 5
    share: Annotated[float, Field(ge=0.05, le=1)] = 0.05
    largest: int = Field(default=5_000_000, ge=1)
    counts: dict[Id, Count] = Field(min_length=1, max_length=20)


USUAL: Mapping[str, Rule] = {
    "users-without-email": Nulls(kind="nulls", table="User", column="email"),
    "conversations-without-user": Orphans(
        kind="orphans", table="Conversation", column="userId", parent="User", or_null=True
    ),
}
"""What the runbook's own integrity checks count. The runbook that lies over the default one names the same for the
check ``integrity`` and the steps: a test holds them equal. A signal leaves out what is of tables that are not there."""
DECLARED = {
    "integrity-errors": Integrity(
        title="rows that break an invariant", counts={**USUAL, "unique-indexes": UniqueIndexes(kind="unique-indexes")}
    ),
    "foreign-key-violations": Integrity(
        title="rows that break a foreign key", counts={"foreign-keys": ForeignKeys(kind="foreign-keys")}
    ),
}
"""Signals that every database gives unless the configuration has others of these names."""
