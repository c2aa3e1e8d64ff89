"""Heads published elsewhere: they catch who rewrites a journal and its head alike, and never hold up an entry."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.engines import a_running
from tests.journals import COUNT, Rows, make_closed, rewritten
from warroom.cli.commands import app
from warroom.engine.core import Options
from warroom.errors import BadInput
from warroom.journal.chain import genesis, link
from warroom.journal.head import Mark
from warroom.journal.publishing import Publisher, drawn, held_against
from warroom.journal.reading import read
from warroom.model import intent as it


def heads(folder: Path) -> str:
    mark = Mark(0, genesis("INC-0001"))
    lines = []
    for seq, data in sorted(read(folder).entries.items()):
        mark = Mark(seq, link(mark.hash, seq, data))
        lines.append(f"Mar  2 03:00:01 host {drawn('INC-0001', mark)}")
    return "\n".join(lines)


def tampered(rows: Rows, draw: random.Random) -> tuple[Rows, int]:
    """One change as an insider would make it, and the first entry that is not as it was."""
    seq = draw.randint(1, COUNT - 1)
    held = [rows[n] for n in sorted(rows)]
    match draw.choice(("cut off", "taken out", "slipped in", "swapped", "a byte", "a byte", "a word")):
        case "cut off":
            del held[seq - 1 :]
        case "taken out":
            del held[seq - 1]
        case "slipped in":
            held.insert(seq - 1, rows[draw.choice([n for n in rows if n != seq])])
        case "swapped":
            held[seq - 1], held[seq] = held[seq], held[seq - 1]
        case "a byte":
            data = bytearray(rows[seq])
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            held[seq - 1] = bytes(data)
        case "a word":
            held[seq - 1] = rows[seq].replace(b"e", b"a", 1) + b" "
    return dict(enumerate(held, 1)), seq


def test_random_tamperings_are_named_at_the_first_bad_entry(tmp_path: Path, full: bool) -> None:
    whole = tmp_path / "whole"
    make_closed(whole)
    published = heads(whole)
    assert held_against(read(whole), published).ok
    draw = random.Random(20260302)
    for number in range(1000 if full else 25):
        folder = tmp_path / f"copy-{number}"
        shutil.copytree(whole, folder)
        first = 0

        def change(rows: Rows) -> Rows:
            nonlocal first
            changed, first = tampered(rows, draw)
            return changed

        rewritten(folder, change)
        found = held_against(read(folder), published)
        assert (found.ok, found.first_bad) == (False, first), (number, found)
        shutil.rmtree(folder)


def test_a_file_of_another_journal_proves_nothing(tmp_path: Path) -> None:
    make_closed(tmp_path / "whole")
    with pytest.raises(BadInput, match="No head of INC-0001"):
        held_against(read(tmp_path / "whole"), heads(tmp_path / "whole").replace("INC-0001", "INC-0002"))


async def test_the_engine_publishes_after_each_entry_and_verify_holds_the_journal_to_it(tmp_path: Path) -> None:
    place = tmp_path / "heads.log"
    async with a_running(tmp_path, kind="production", options=Options(publish=f"file:{place}")) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.AddNote(text="one"))
        last = world.state.seq
    assert f"seq={last} " in place.read_text()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    words = ["journal", "verify", "INC-0001", "--state", str(tmp_path / "state"), "--published", str(place)]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 0, done.output
    place.write_text(place.read_text().replace(f"seq={last} sha256=", f"seq={last} sha256=0000")[:-5] + "\n")
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 1
    assert "published" in done.output


def test_syslog_gets_a_line_for_each_head(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "log"))
        syslog.settimeout(60)
        publisher = Publisher(f"syslog:{tmp_path / 'log'}", lambda _: None)
        publisher.offer("INC-0001", Mark(7, b"\1" * 32))
        publisher.close()
        assert syslog.recv(1000) == b"<109>" + drawn("INC-0001", Mark(7, b"\1" * 32)).encode()


def test_a_place_that_hangs_or_is_gone_holds_up_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    told: list[str] = []
    said = threading.Event()

    def failed(words: str) -> None:
        told.append(words)
        said.set()

    publisher = Publisher(f"file:{tmp_path / 'fifo'}", failed)
    began = time.process_time()
    for seq in range(1000):
        publisher.offer("INC-0001", Mark(seq, b"\0" * 32))
    assert time.process_time() - began < 5
    assert said.wait(60)
    assert all("fifo" in words for words in told)
    publisher.close()
    with pytest.raises(BadInput, match="no place for heads"):
        Publisher("https://example.org", failed)
