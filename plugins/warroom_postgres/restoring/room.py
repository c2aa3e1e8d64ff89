"""Whether there is room for another copy of a database, where that can be seen from here."""

from __future__ import annotations

from dataclasses import dataclass

from warroom.api import Context, StoreRefused, WarroomError
from warroom_postgres.reach.place import Place, asked

FOLDER = """
SELECT CASE WHEN spcname = 'pg_default' THEN current_setting('data_directory') ELSE pg_tablespace_location(t.oid) END
  AS folder, pg_database_size(d.oid) AS bytes, host(inet_client_addr()) AS client, host(inet_server_addr()) AS server,
  (SELECT min(pid) FROM pg_stat_activity WHERE usesysid IS NULL) AS pid
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE datname = current_database()
"""
"""``pid``: a process of the server itself, which stays."""
_LOCAL = ("", "localhost", "127.0.0.1", "::1")
_LOOK_S = 10.0
ELSEWHERE = "the server is on another machine"


@dataclass(frozen=True)
class Room:
    """Bytes: ``size`` of the live database, ``free`` where it lies. None where that can't be seen, and ``why``."""

    folder: str = ""
    size: int | None = None
    free: int | None = None
    why: str = ""
    fix: str = ""


async def room(ctx: Context, where: Place) -> int | None:
    """Bytes that are free where the live database lies; None where that can't be seen."""
    return (await seen(ctx, where)).free


async def seen(ctx: Context, where: Place) -> Room:
    """Does not raise. A folder of that name on this machine is only looked at where the server's processes are too."""
    try:
        row = (await asked(ctx, where, FOLDER)).each()[0]
    except StoreRefused as error:
        fix = "GRANT pg_read_all_settings TO warroom's role" if error.code == "42501" else ""
        return Room(why=f"the server doesn't say where it keeps its data: {error.cause}", fix=fix)
    except WarroomError as error:
        return Room(why=str(error), fix=error.hint)
    folder, size = str(row["folder"]), int(row["bytes"])
    try:
        if where.through is None and not await _here(ctx, where, row):
            return Room(folder, size, why=ELSEWHERE, fix=f"look there: df -h {folder}")
        argv: tuple[str, ...] = ("df", "-Pk", "--", folder)
        argv = where.through.exec({"LC_ALL": "C"}, *argv) if where.through else argv
        done = await ctx.read.run(argv, timeout=_LOOK_S, env=None if where.through else {"LC_ALL": "C"})
    except WarroomError as error:
        return Room(folder, size, why=f"df can't be run there: {error}", fix=error.hint)
    free = free_from(done.text) if done.status == 0 else None
    said = " ".join(done.text.split())[-200:] or f"exit status {done.status}"
    return Room(folder, size, free, "" if free is not None else f"df can't tell: {said}")


async def _here(ctx: Context, where: Place, row: dict[str, object]) -> bool:
    """A port on this machine may lead into a container, or through a tunnel: then the server sees it otherwise, and the
    process that answers is none of this machine's."""
    host = where.address.parameters.get("hostaddr") or where.address.parameters.get("host", "")
    if host not in _LOCAL and not host.startswith("/"):
        return False
    if row["server"] is not None and row["server"] != row["client"]:
        return False
    done = await ctx.read.run(("ps", "-o", "comm=", "-p", str(row["pid"])), timeout=_LOOK_S, env={"LC_ALL": "C"})
    return done.status == 0 and "postgres" in done.text


def free_from(text: str) -> int | None:
    """The fourth column of df's last line, in kilobytes."""
    lines = text.splitlines()
    words = lines[-1].split() if len(lines) > 1 else []
    return int(words[3]) * 1024 if len(words) >= 6 and words[3].isdecimal() else None
