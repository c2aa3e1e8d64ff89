"""A live database and one restored beside it, small and with nothing but the words that tell them apart."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import psycopg

from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.actions.changing import Changing
from warroom.actions.doors import HttpClient
from warroom.model.call import Call, CallResult
from warroom.model.plan import Preview
from warroom.testing.clock import START
from warroom_postgres.config import Config
from warroom_postgres.naming import Mark, literal, marked, name_for, quoted
from warroom_postgres.swapping.swap import Swap, SwapArgs

NAME = "env:DATABASE_URL"
ROWS = "CREATE TABLE what (is_it text); INSERT INTO what VALUES ('{}'); CREATE TABLE written (client int, n int)"


@dataclass
class Two:
    """``beside`` is connected elsewhere, and made anew by who ends the server.

    ``oids`` are those of ``live`` and ``other`` as they were made.
    """

    server: PostgresServer
    live: str
    other: str
    beside: psycopg.Connection[Any]
    oids: dict[str, int] = field(default_factory=dict)

    def url(self, name: str = "", user: str = "owner", password: str = PASSWORD) -> str:
        return self.server.url(quote(name or self.live, safe=""), user, password)

    def make(self, name: str, what: str) -> None:
        self.beside.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0 STRATEGY file_copy".encode())
        self.oids[name] = self.ask("SELECT oid FROM pg_database WHERE datname = %s", name)[0][0]
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(ROWS.format(what).encode())

    def mark(self, name: str, **mark: Any) -> None:
        made = Mark.model_validate({"of": self.live, "id": "ab12cd34", "at": START, **mark})
        self.beside.execute(f"COMMENT ON DATABASE {quoted(name)} IS {literal(made.comment())}".encode())

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.beside.execute(statement.encode(), parameters or None).fetchall()

    def comment(self, name: str) -> str | None:
        ((found,),) = self.ask("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", name)
        return None if found is None else str(found)

    def marked(self, name: str) -> Mark:
        found = marked(self.comment(name))
        assert found is not None
        return found

    def names(self) -> dict[int, str]:
        """What the two are called now."""
        found = self.ask("SELECT oid, datname FROM pg_database WHERE oid = ANY(%s)", list(self.oids.values()))
        return {int(oid): str(name) for oid, name in found}

    def what(self, name: str = "") -> str:
        """Which of the two serves under that name."""
        with psycopg.connect(self.url(name)) as connection:
            (found,) = connection.execute("SELECT is_it FROM what").fetchall()
        return str(found[0])


@contextmanager
def two(server: PostgresServer, stem: str = "shop") -> Iterator[Two]:
    """The other one was restored to its end, and is as the live one in all that is compared."""
    live = f"{stem}_{secrets.token_hex(3)}"
    other = name_for(live, "scratch", START, "ab12cd34")
    with psycopg.connect(server.url("postgres"), autocommit=True, application_name="test") as beside:
        made = Two(server, live, other, beside)
        try:
            made.make(live, "before")
            made.make(other, "after")
            made.mark(other, **{"is": "scratch", "state": "restored", "archive": "sha256:5eed"})
            yield made
        finally:
            for name in made.names().values():
                made.beside.execute(f"DROP DATABASE {quoted(name)} WITH (FORCE)".encode())


async def execute(door: Door, *calls: Call) -> list[CallResult]:
    changing = Changing(
        calls,
        http=HttpClient(),
        log=door.log,
        clock=door.clock,
        cleaner=door.redactor,
        secret=door.secret,
        stores=door.stores,
    )
    return [await changing.execute(call) for call in calls]


async def planned(door: Door, database: str | None = None, **config: Any) -> tuple[dict[str, Any], Preview]:
    """The facts and what is made of them, as the planner does it."""
    ctx, args = door.context("database", Config, **config), SwapArgs(database=database)
    facts = dict(await Swap().facts(ctx, args))
    return facts, Swap().preview(ctx.config, args, facts)
