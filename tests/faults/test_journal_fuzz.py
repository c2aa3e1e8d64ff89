"""Journals of any content: each opens or is refused in words, and none is changed by being looked at."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.journals import COUNT, WAL, contents, execute, rewritten
from warroom.errors import WarroomError
from warroom.journal.chain import DB, HEAD
from warroom.journal.export import export_lines, show_lines
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.model.event import EVENTS
from warroom.model.fold import fold_all

POISON = [
    "[@click=app.quit]x[/]",
    "[/bin/bash -c]",
    "\x1b]52;c;cm0=\x07",
    "\x00",
    "\x9b31m",
    "\u202egnp.exe",
    "\ud800",
    "x" * 100_000,
    "{{ 7 * 7 }}",
    "%s%n",
    "'; DROP TABLE entry; --",
    10**40,
    -1,
    1e308,
    None,
    True,
    [],
    {},
    [[[[]]]],
    {"type": "raw"},
    "NaN",
]


def poisoned(chance: random.Random, value: Any, depth: int = 0) -> Any:
    """A document with some of its values replaced, its keys lost or doubled under other names."""
    if chance.random() < 0.06:
        return chance.choice(POISON)
    if isinstance(value, dict):
        kept = {k: poisoned(chance, v, depth + 1) for k, v in value.items() if chance.random() > 0.02}
        return {**kept, "\x1b[2J": 1} if chance.random() < 0.02 else kept
    if isinstance(value, list):
        return [poisoned(chance, each, depth + 1) for each in value]
    return value


def fuzz_entries(chance: random.Random, folder: Path) -> None:
    """Entries of any content in a chain that holds, as an insider or another version might leave them."""

    def change(rows: dict[int, bytes]) -> dict[int, bytes]:
        for seq in chance.sample(sorted(rows), chance.randrange(1, 12)):
            document = poisoned(chance, json.loads(rows[seq]))
            if isinstance(document, dict) and chance.random() < 0.9:
                document["seq"] = seq
            text = json.dumps(document)
            rows[seq] = chance.choice([text.encode(), text.encode()[:-3], chance.randbytes(50), text.encode("utf-16")])
        return rows

    rewritten(folder, change)


def fuzz_bytes(chance: random.Random, folder: Path) -> None:
    path = folder / chance.choice([DB, DB, WAL, WAL, HEAD])
    if not path.exists():
        path = folder / DB
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 30)):
        place = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                run = chance.randrange(1, 5000)
                data[place : place + run] = chance.randbytes(len(data[place : place + run]))
            case 2:
                del data[place : place + chance.randrange(1, 5000)]
                data += bytes(max(0, 64 - len(data)))
            case 3:
                data[place:place] = chance.randbytes(chance.randrange(1, 100))
    path.write_bytes(data)


def fuzz_rows(chance: random.Random, folder: Path) -> None:
    values = ["NULL", "7", "-1", "'text'", "x'00ff'", "zeroblob(100000)", "1e400", "CAST(x'ff' AS TEXT)", "9e18"]
    for _ in range(chance.randrange(1, 6)):
        column, seq = chance.choice(["seq", "bytes", "hash"]), chance.randrange(1, COUNT + 1)
        try:
            execute(folder, f"UPDATE entry SET {column} = {chance.choice(values)} WHERE seq = {seq}")
        except sqlite3.Error:
            continue


def open_or_reason(folder: Path) -> Journal | WarroomError:
    try:
        return Journal.open(folder)
    except WarroomError as error:
        return error


async def test_fuzzed_journals_open_or_are_refused_in_words(
    copied: Callable[[Path], Path], closed: Path, killed: Path, full: bool
) -> None:
    opened, refused = 0, 0
    for run in range(500 if full else 60):
        chance = random.Random(run)
        fuzz = [fuzz_entries, fuzz_bytes, fuzz_rows][run % 3]
        folder = copied(closed if fuzz is fuzz_rows else chance.choice([closed, killed]))
        fuzz(chance, folder)
        before = contents(folder)
        journal = open_or_reason(folder)
        if isinstance(journal, WarroomError):
            refused += 1
            assert fuzz is not fuzz_entries, journal
            assert journal.cause
        else:
            opened += 1
            events = journal.events()
            fold_all(events)
            assert all(line.isprintable() for line in show_lines(events))
            assert [EVENTS.validate_json(event.model_dump_json()) for event in events] == events
            assert len([json.loads(line) for line in export_lines(folder)]) == len(events)
            assert [event.seq for event in journal.page(None, 1000)] == [event.seq for event in events]
            read_only = journal.read_only
            await journal.close()
            if read_only:
                assert contents(folder) == before, run
        (summary,) = StateFolder(folder.parent.parent).incidents()
        assert summary.id == "INC-0001"
    assert opened > refused > 0
