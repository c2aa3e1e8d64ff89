"""A process of its own that writes journals until it is ended. What it prints was acknowledged.

python -m tests.faults.journal_child append FOLDER      one journal, several callers at once
python -m tests.faults.journal_child some FOLDER        the same, and ends of itself
python -m tests.faults.journal_child create STATE       one journal after the other
python -m tests.faults.journal_child race STATE GATES   tries for the lock each time a gate opens
python -m tests.faults.journal_child full PLACE         fills a small disk under its journal
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from tests.faults.intents import INTENDED
from warroom import process
from warroom.errors import JournalBusy, JournalFull, WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.model.event import Actor, Body, EvidenceStarted, NoteAdded, StepEnded
from warroom.testing.builders import an_incident

ME = Actor(name="op1", uid=1000)
CALLERS = 4


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def append(folder: Path, rounds: Iterable[int] | None = None) -> None:
    journal = Journal.open(folder) if folder.exists() else Journal.create(folder, folder.name)
    if journal.read_only:
        say(f"read-only {journal.read_only}")
        return
    say("ready")

    async def caller(name: int) -> None:
        for number in rounds or count():
            bodies = [NoteAdded(text=f"{name}.{number}.{part}") for part in range(1 + number % 3)]
            for event in await journal.append(ME, *bodies):
                say(f"{event.seq} {event.id}")

    await asyncio.gather(*(caller(name) for name in range(CALLERS)))
    await journal.close()


async def some(folder: Path) -> None:
    await append(folder, range(10))


async def create(path: Path) -> None:
    state = StateFolder(path)
    with state.lock():
        say("ready")
        while True:
            incident = state.new_incident_id()
            journal = Journal.create(state.folder(incident), incident)
            await journal.append(ME, an_incident())
            say(incident)
            await journal.close()


def race(path: Path, gates: Path) -> None:
    """At gate N: ``N held`` or ``N busy WHY``; a holder lets go when gate ``N.over`` opens."""
    say("ready")
    for number in count():
        _wait(gates / str(number))
        try:
            lock = StateFolder(path).lock()
        except JournalBusy as busy:
            say(f"{number} busy {busy}")
        else:
            say(f"{number} held")
            _wait(gates / f"{number}.over")
            lock.release()
            say(f"{number} over")


def _wait(gate: Path) -> None:
    while not gate.exists():
        time.sleep(0.0005)


async def full(place: Path) -> None:
    """Mounts a small disk, fills it up beside a journal, and prints as JSON what could still be recorded."""
    await process.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], timeout=10)
    folder = place / "incidents" / "INC-0001"
    journal = Journal.create(folder, "INC-0001")
    told: dict[str, object] = {"before": await _tries(journal, INTENDED)}
    ballast = place / "ballast"
    _fill(ballast)
    told["until_low"] = await _until_low(journal)
    told["undertakings"] = await _tries(journal, INTENDED, EvidenceStarted(bundle="b", collectors=("logs",)))
    ended = StepEnded(plan="p", step="s", attempt=1, status="done", detail="x" * 2000)
    told["outcomes"] = await _tries(journal, *[ended] * 50)
    _fill(ballast)
    told["other_journal"] = _another(place)
    told["nothing_left"] = (await _tries(journal, *[ended] * 3000))[-1]
    told["last_seq"] = journal.last_seq
    told["verified"] = verify(folder).model_dump()
    ballast.unlink()
    told["room_again"] = await _tries(journal, INTENDED)
    told["low"] = journal.low_on_room
    await journal.close()
    found = verify(folder)
    told["end"] = [found.ok, found.entries, journal.last_seq]
    again = Journal.open(folder)
    told["events"] = len(again.events())
    say(json.dumps(told))


async def _tries(journal: Journal, *bodies: Body) -> list[str]:
    """What each append came to, one after the other, without what came to the same as the one before."""
    came: list[str] = []
    for body in bodies:
        try:
            await journal.append(ME, body)
            result = "recorded"
        except JournalFull:
            result = "full"
        except WarroomError as error:
            result = str(error)
        if not came or came[-1] != result:
            came.append(result)
    return came


async def _until_low(journal: Journal) -> list[str]:
    """Notes, one at a time, until the reserve was given up: the disk has no more room of its own."""
    came = []
    while not journal.low_on_room:
        came += await _tries(journal, NoteAdded(text="x" * 4000))
    return sorted(set(came))


def _another(place: Path) -> str:
    try:
        Journal.create(place / "incidents" / "INC-0002", "INC-0002")
    except WarroomError as error:
        return str(error)
    return "made"


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def main() -> None:
    what, *paths = sys.argv[1:]
    places = [Path(path) for path in paths]
    if what == "race":
        race(places[0], places[1])
    else:
        asyncio.run({"append": append, "some": some, "create": create, "full": full}[what](places[0]))


if __name__ == "__main__":
    main()
