"""Mounts a small disk, fills it up while a collector writes evidence there, and prints as JSON what is left.

unshare -rm python -m tests.faults.evidence_child PLACE
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from warroom import process
from warroom.actions import evidence
from warroom.actions.evidence import Bundle
from warroom.engine.core import SystemClock
from warroom.errors import WarroomError
from warroom.redact import Redactor

SIZE = 80


async def full(place: Path) -> None:
    await process.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(place)], timeout=10)
    bundle = Bundle(place / "evidence", "evidence-1", "INC-0001", SystemClock(), Redactor())
    await bundle.for_collector("small").write("a.log", b"whole", kind="logs")
    told: dict[str, object] = {"dump": await _tried(bundle, "dump")}
    told["after the dump"] = _files(bundle.path)
    ballast = place / "ballast"
    _fill(ballast)
    told["no room"] = await _tried(bundle, "next")
    try:
        bundle.seal({}, {"x": "y" * 2_000_000})
        told["seal"] = "sealed"
    except WarroomError as error:
        told["seal"] = str(error)
    told["unsealed"] = _files(bundle.path)
    ballast.unlink()
    bundle.seal({"dump": "no room"}, {})
    told["sealed"] = _files(bundle.path)
    told["verified"] = evidence.verify(bundle.path)
    print(json.dumps(told))


async def _tried(bundle: Bundle, name: str) -> str:
    """A dump larger than the disk, as pg_dump would write it."""
    try:
        async with bundle.for_collector(name).file("x.dump", kind="dump") as part:
            with part.open("wb") as out:
                for _ in range(SIZE + 10):
                    out.write(bytes(1024 * 1024))
    except (OSError, WarroomError) as error:
        return str(error)
    return "written"


def _files(path: Path) -> list[str]:
    return sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


if __name__ == "__main__":
    asyncio.run(full(Path(sys.argv[1])))
