"""Mounts a small disk, fills it up while a database is dumped into evidence there, and prints as JSON what is left.

unshare -rm python -m tests.faults.postgres_disk_child PLACE URL TOOLS
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import psycopg

from tests.stores import Door, a_door
from warroom import process
from warroom.actions import evidence
from warroom.actions.evidence import Bundle
from warroom.errors import WarroomError
from warroom_postgres.config import Config
from warroom_postgres.dumping.collector import DumpCollector

NAME = "env:DATABASE_URL"
SIZE = 80
"""Megabytes: somewhat more than evidence wants to have at its beginning."""
WAITS = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'warroom' AND wait_event_type = 'Lock'"


async def full(place: Path, url: str, tools: str) -> None:
    await process.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(place)], timeout=10)
    ballast = place / "ballast"
    async with a_door(**{NAME: url}) as door:
        with psycopg.connect(url, application_name="test") as locking:
            locking.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
            taking = asyncio.create_task(_taken(door, place / "first", tools))
            while not locking.execute(WAITS).fetchall():
                await asyncio.sleep(0.02)
                locking.execute("SELECT pg_stat_clear_snapshot()")
            with ballast.open("wb") as out:
                os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(place).free)
        told = {"said": await taking, "left": _files(place / "first")}
        told["no room"] = await _taken(door, place / "second", tools)
        ballast.unlink()
        told["then"] = await _taken(door, place / "third", tools)
        told["whole"] = _files(place / "third")
    print(json.dumps(told))


async def _taken(door: Door, place: Path, tools: str) -> str:
    bundle = Bundle(place, "evidence-1", "i1", door.clock, door.redactor)
    folder = bundle.for_collector("database.dump")
    said = "taken"
    try:
        await DumpCollector().collect(door.context("database", Config, tools=tools), folder)
    except WarroomError as error:
        said = str(error)
    finally:
        folder.close()
    if said == "taken":
        bundle.seal({}, {})
        assert evidence.verify(bundle.path) == []
    return said


def _files(path: Path) -> list[str]:
    return sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())


if __name__ == "__main__":
    asyncio.run(full(Path(sys.argv[1]), *sys.argv[2:]))
