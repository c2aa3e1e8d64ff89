"""What is told beforehand: programs and patches, and room where the server keeps its data, where that can be seen."""

from __future__ import annotations

from typing import Any

import pytest

from warroom.api import Address, StoreRefused
from warroom.model.call import CallResult
from warroom.testing.fakes import FakeReadDoor, a_context
from warroom_postgres.config import Config
from warroom_postgres.container import Through
from warroom_postgres.needs import lacking, space, tools_row
from warroom_postgres.reach.place import SERVER, place
from warroom_postgres.restoring.room import ELSEWHERE, FOLDER, Room, seen

NAME = "env:DATABASE_URL"
ROW: dict[str, Any] = {"folder": "/data", "bytes": 1000, "client": "127.0.0.1", "server": "127.0.0.1", "pid": 7}
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 9 1 8 12% /data\n"
PS = ("ps", "-o", "comm=", "-p", "7")


def looking(door: FakeReadDoor, host: str, **config: Any) -> Any:
    door.addresses[NAME] = Address(f"{host}/app", {"host": host, "dbname": "app"})
    return a_context(Config.model_validate(config), door, secrets={NAME: "x"})


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        pytest.param(Room("/data", 1000, 2000), "ready", "2.0 kB are free in /data", id="twice"),
        pytest.param(Room("/data", 1000, 1999), "not-ready", "one copy fits, barely: 2.0 kB are wanted", id="once"),
        pytest.param(Room("/data", 1000, 999), "not-ready", "not even one copy fits", id="none"),
        pytest.param(
            Room("/data", 1000, None, ELSEWHERE), "unknown", f"{ELSEWHERE}; 2.0 kB are wanted", id="elsewhere"
        ),
        pytest.param(Room(why="it says nothing"), "unknown", "it says nothing", id="nothing-known"),
    ],
)
def test_room_for_twice_the_database(found: Room, status: str, words: str) -> None:
    row = space(found, "room")
    assert (row.status, words in row.words, bool(row.fix)) == (status, True, status != "ready")


@pytest.mark.parametrize(
    ("host", "row", "process", "free", "why"),
    [
        pytest.param("localhost", ROW, "postgres\n", 8192, "", id="here"),
        pytest.param("", {**ROW, "client": None, "server": None}, "postgres\n", 8192, "", id="by-a-socket"),
        pytest.param("db.example.com", ROW, None, None, ELSEWHERE, id="another-host"),
        pytest.param("localhost", {**ROW, "server": "172.17.0.2"}, None, None, ELSEWHERE, id="a-published-port"),
        pytest.param("127.0.0.1", ROW, "", None, ELSEWHERE, id="a-tunnel"),
        pytest.param("127.0.0.1", ROW, "sshd\n", None, ELSEWHERE, id="another-process"),
    ],
)
async def test_a_folder_of_that_name_is_looked_at_where_the_server_is(
    host: str, row: dict[str, Any], process: str | None, free: int | None, why: str
) -> None:
    with FakeReadDoor() as door:
        ctx = looking(door, host)
        door.on_sql(NAME, FOLDER, [row])
        if process is not None:
            door.on_run(PS, CallResult(status=0 if process else 1, text=process))
        if free is not None:
            door.on_run(("df", "-Pk", "--", "/data"), DF)
        found = await seen(ctx, place(ctx))
    assert (found.free, found.why, found.size) == (free, why, 1000)


async def test_within_a_container_its_own_df_is_asked_and_what_is_not_told_is_unknown() -> None:
    through = {"project": "shop", "service": "db"}
    df = Through.model_validate(through).exec({"LC_ALL": "C"}, "df", "-Pk", "--", "/data")
    for answer, free in ((CallResult(status=0, text=DF), 8192), (CallResult(status=127, text="no df"), None)):
        with FakeReadDoor() as door:
            ctx = looking(door, "db", through=through)
            door.on_sql(NAME, FOLDER, [ROW])
            door.on_run(df, answer)
            found = await seen(ctx, place(ctx))
        assert (found.free, found.why) == (free, "" if free else "df can't tell: no df")
    with FakeReadDoor() as door:
        ctx = looking(door, "db", through=through)
        door.on_sql(NAME, FOLDER, StoreRefused("x", "permission denied for data_directory", code="42501"))
        found = await seen(ctx, place(ctx))
    assert (found.free, found.fix) == (None, "GRANT pg_read_all_settings TO warroom's role")


@pytest.mark.parametrize(
    ("server", "programs", "status", "words"),
    [
        pytest.param(170011, "17.11", "ready", "pg_dump, pg_restore and psql 17.11 (/x) for a server 17.11", id="new"),
        pytest.param(170010, "17.10", "ready", "is restored only once it was read through", id="psql-not-patched"),
        pytest.param(170011, "17.9", "unknown", "the programs are not patched: 17.9", id="programs-not-patched"),
        pytest.param(170003, "17.11", "unknown", "the server itself is not patched: 17.3", id="server-not-patched"),
        pytest.param(130020, "17.11", "unknown", "13.20 is no longer mended", id="server-no-longer-mended"),
        pytest.param(180004, "17.11", "not-ready", "There is no pg_dump for PostgreSQL 18", id="older-than-the-server"),
    ],
)
async def test_programs_and_patches(server: int, programs: str, status: str, words: str) -> None:
    with FakeReadDoor() as door:
        ctx = looking(door, "db", tools="/x")
        door.on_sql(NAME, SERVER, [{"number": server, "bytes": 1000, "host": None}])
        for program in ("pg_dump", "pg_restore", "psql"):
            door.on_run((f"/x/{program}", "--version"), f"{program} (PostgreSQL) {programs}")
        row = await tools_row(ctx)
    assert (row.status, words in row.words, bool(row.fix)) == (status, True, status != "ready"), row


def test_nobody_is_told_to_become_a_superuser() -> None:
    about = {"role": "app", "plain": "app", "standby": False, "superuser": False, "unreadable": 0, "hidden": 2}
    about |= {"sees_all": False, "creates": True, "owns": False, "owner": "postgres", "of_superuser": True}
    about |= {"elsewhere": False, "others": ["api"], "mighty": ["postgres"]}
    assert [line for _, line in lacking(about)] == [
        "ALTER ROLE app BYPASSRLS",
        "name a superuser's address as direct",
        "GRANT CONNECT ON DATABASE postgres TO app",
        "GRANT pg_signal_backend TO app",
        "",
    ]
    assert lacking({**about, "superuser": True}) == []
