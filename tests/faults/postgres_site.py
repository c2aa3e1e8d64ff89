"""A server that may be killed, a small live database on it with a backup, and somebody who reads that all the time."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.postgres_clients import missing
from tests.faults.postgres_walk import Walk, walking
from tests.plugins.test_postgres_restore import vouched
from tests.servers import PostgresServer, folder, running_postgres
from warroom_postgres.naming import Mark, marked

LIVE = "shop"
ROWS = 40
HOLD = f"hold_{secrets.token_hex(3)}"
"""While a role of this name is there, a restore stands still in the middle."""
SCHEMA = f"""
CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN
  WHILE EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{HOLD}') LOOP PERFORM pg_catalog.pg_sleep(0.02);
  END LOOP; END $$;
CREATE FUNCTION held(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  PERFORM public.waits(); RETURN id; END $$;
CREATE TABLE a (id int PRIMARY KEY, is_it text NOT NULL);
CREATE TABLE b (id int PRIMARY KEY, is_it text NOT NULL);
INSERT INTO a SELECT n, 'then' FROM generate_series(1, {ROWS}) n;
INSERT INTO b SELECT n, 'then' FROM generate_series(1, {ROWS}) n;
CREATE INDEX slowly ON b (held(id)) WHERE id = 1;
"""
READ = "SELECT is_it, count(*) FROM (TABLE a UNION ALL TABLE b) every GROUP BY 1"


class Reader:
    """Connects to the live name again and again. ``wrong`` is what was served or said and never may be."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.wrong: list[str] = []
        self.turns = 0

    def _read(self) -> None:
        while not self._end.wait(0.1):
            try:
                with psycopg.connect(self._url, connect_timeout=20) as connection:
                    rows = connection.execute(READ).fetchall()
            except psycopg.Error as error:
                self.wrong += [str(error)] if missing(error) else []
            else:
                self.wrong += [] if len(rows) == 1 and rows[0][1] == 2 * ROWS else [f"mixed: {rows}"]
            self.turns += 1

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join(60)


@dataclass(frozen=True)
class Truth:
    """What is on the server. ``beside``: every other database of ours, by name: its OID and mark. ``roles``: ours."""

    live: int | None
    beside: dict[str, tuple[int, Mark | None]]
    roles: tuple[str, ...]

    def named(self, what: str, state: str) -> str:
        """The one database like that; empty where there is none."""
        found = [name for name, (_, mark) in self.beside.items() if mark and (mark.what, mark.state) == (what, state)]
        assert len(found) < 2, found
        return found[0] if found else ""

    @property
    def restored(self) -> str:
        return self.named("scratch", "restored")

    @property
    def kept(self) -> str:
        return self.named("before", "kept")


@dataclass
class Site:
    """``whole``: seconds that going all the way takes. ``damaged_oid``: the database whose rows say ``now``."""

    server: PostgresServer
    folder: Path
    backup: str
    reader: Reader
    whole: float = 1.0
    damaged_oid: int | None = None
    _beside: psycopg.Connection[Any] | None = None

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """From another database; anew once the server was away."""
        if self._beside is None or self._beside.broken:
            self._beside = self.server_connection()
        cursor = self._beside.execute(statement.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def server_connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.url("postgres"), autocommit=True, application_name="test")

    def truth(self) -> Truth:
        found = self.sql(
            "SELECT datname, oid::bigint, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE %s",
            f"{LIVE}%",
        )
        live = next((oid for name, oid, _ in found if name == LIVE), None)
        beside = {name: (oid, marked(comment)) for name, oid, comment in found if name != LIVE}
        roles = self.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'warroom~%%' ORDER BY 1")
        return Truth(live, beside, tuple(name for (name,) in roles))

    def serves(self) -> str:
        """What the live name serves now. It must do so whatever happened, once the server lets anybody in."""
        for _ in range(3000):
            try:
                with psycopg.connect(self.server.url(LIVE), connect_timeout=20) as connection:
                    found = connection.execute(READ).fetchall()
            except psycopg.OperationalError as error:
                gone = missing(error)
            else:
                ((what, rows),) = found
                assert rows == 2 * ROWS
                return str(what)
            assert not gone, "nothing has the live name"
            time.sleep(0.02)
        raise AssertionError("the live name did not serve in a minute")

    def walking(self, state: Path) -> AbstractAsyncContextManager[Walk]:
        """An engine that goes on from what is in ``state``."""
        return walking(self.server.programs, self.folder, self.backup, state)

    def damaged(self) -> None:
        """The live database is as it was before it was gone back."""
        with psycopg.connect(self.server.url(LIVE)) as connection:
            connection.execute("UPDATE a SET is_it = 'now'")
            connection.execute("UPDATE b SET is_it = 'now'")
        self.damaged_oid = self.truth().live

    def changes(self) -> list[str]:
        """Every statement so far that renames or drops a database, as the server was sent it."""
        text = (self.server.folder / "log").read_text(errors="replace")
        return re.findall(r"(?:statement|execute [^:]*): ((?:ALTER DATABASE .* RENAME|DROP DATABASE) .*)", text)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(3000):
            if condition():
                return
            time.sleep(0.02)
        raise AssertionError(f"waited a minute for {what}")

    def killed(self, with_signal: signal.Signals) -> None:
        """The server: started again once those who worked for it have gone."""
        self.server.stop(with_signal)
        data = os.path.realpath(self.server.folder / "data")
        self.wait(lambda: not any(_works_in(entry, data) for entry in Path("/proc").iterdir()), "the server's end")
        self.server.start()
        self._beside = None

    @contextmanager
    def holding(self, what: str) -> Iterator[Callable[[], bool]]:
        """Something that warroom runs into: ``restoring``, or a catalogue of the server's. Gives whether it has.

        Empty: nothing.
        """
        if not what:
            yield lambda: False
            return
        if what == "restoring":
            self.sql(f"CREATE ROLE {HOLD}")
            try:
                yield lambda: bool(self.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
            finally:
                self.sql(f"DROP ROLE IF EXISTS {HOLD}")
            return
        held = self.server_connection()
        try:
            held.execute("BEGIN")
            held.execute(f"LOCK TABLE {what} IN SHARE MODE".encode())
            asked = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
            yield lambda: bool(self.sql(asked, what))
        finally:
            held.close()

    def quiet(self) -> bool:
        """Nothing that warroom sent is being done any more."""
        busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'warroom' AND state <> 'idle'"
        return not self.sql(busy)


def _works_in(process: Path, folder: str) -> bool:
    try:
        return process.name.isdigit() and os.readlink(process / "cwd") == folder
    except OSError:
        return False


@contextmanager
def a_site(kind: type[PostgresServer] = PostgresServer, more: str = "SELECT 1") -> Iterator[Site]:
    """``more`` is made in the live database too, before the backup is taken."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_postgres(kind=kind, max_connections="40", log_statement="ddl"))
        place = stack.enter_context(folder())
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {LIVE} TEMPLATE template0 STRATEGY file_copy".encode())
        with psycopg.connect(server.url(LIVE), autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
            connection.execute(more.encode())
        rows = {("public", table): ROWS for table in "ab"}
        backup = vouched(server, server.url(LIVE), place / "then.dump", rows)
        (place / "url").touch(0o600)
        (place / "url").write_text(server.url(LIVE))
        site = Site(server, place, str(backup), Reader(server.url(LIVE)))
        site.damaged()
        stack.enter_context(site.reader)
        yield site
