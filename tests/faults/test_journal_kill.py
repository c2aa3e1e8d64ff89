"""Real processes and a real disk: kill -9 at any moment, two engines, a disk that fills up, and what waits for what."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from warroom import process
from warroom.errors import JournalBusy
from warroom.journal.chain import HEAD
from warroom.journal.folder import StateFolder
from warroom.journal.head import read_marks
from warroom.journal.reading import read
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.model.event import Actor, NoteAdded

ROOT = Path(__file__).parents[2]


def child(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "tests.faults.journal_child", *map(str, words)]


@dataclass
class Writer:
    """A running child, and the lines it has printed."""

    process: process.Child
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                assert self.process.returncode is None, self.wrong
                self.news.clear()
                await self.news.wait()

    async def lines_said(self, count: int) -> None:
        await self.until(lambda: len(self.lines) >= count)

    async def says(self, start: str) -> None:
        """Until its newest line starts so."""
        await self.until(lambda: bool(self.lines) and self.lines[-1].startswith(start))

    async def kill(self) -> None:
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        assert not self.wrong


@asynccontextmanager
async def running(*words: str | Path) -> AsyncIterator[Writer]:
    said: list[Writer] = []

    def on_line(stream: str, line: str) -> None:
        writer = said[0]
        (writer.lines if stream == "stdout" else writer.wrong).append(line)
        writer.news.set()

    started = await process.start(child(*words), cwd=ROOT, on_line=on_line)
    said.append(Writer(started))
    try:
        yield said[0]
    finally:
        await said[0].kill()


async def test_kill_9_of_a_writer_loses_nothing_acknowledged(tmp_path: Path, full: bool) -> None:
    folder = tmp_path / "incidents" / "INC-0001"
    acknowledged: dict[int, str] = {}
    for run in range(200 if full else 15):
        chance = random.Random(run)
        async with running("append", folder) as writer:
            await writer.lines_said(2 + chance.randrange(40))
            await asyncio.sleep(chance.random() * 0.003)
            await writer.kill()
        for line in writer.lines[1:]:
            seq, name = line.split()
            assert acknowledged.setdefault(int(seq), name) == name
        assert writer.lines[0] == "ready"
        reading = read(folder)
        assert reading.verified.ok, reading.verified
        assert reading.acknowledged is not None
        assert max(acknowledged) <= reading.acknowledged.seq <= reading.last.seq == reading.verified.entries
        kept = {seq: json.loads(data)["id"] for seq, data in reading.entries.items()}
        lost = {seq: name for seq, name in acknowledged.items() if kept.get(seq) != name}
        assert lost == {}, f"run {run}"


async def test_kill_9_while_journals_are_made_leaves_each_whole_or_absent(tmp_path: Path, full: bool) -> None:
    for run in range(60 if full else 5):
        chance = random.Random(run)
        state = StateFolder(tmp_path / str(run))
        async with running("create", state.path) as writer:
            await writer.lines_said(2 + chance.randrange(5))
            await asyncio.sleep(chance.random() * 0.02)
            await writer.kill()
        state.lock().release()
        summaries = state.incidents()
        assert [summary.damaged for summary in summaries] == [""] * len(summaries)
        made = [summary.id for summary in summaries]
        assert writer.lines[1:] == made[: len(writer.lines) - 1]
        assert len(made) - (len(writer.lines) - 1) in (0, 1)
        assert sorted(path.name for path in (state.path / "incidents").iterdir()) == made


async def test_kill_9_of_the_holder_frees_the_state_folder(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    async with running("create", state.path) as writer:
        await writer.lines_said(1)
        with pytest.raises(JournalBusy, match=f"process {writer.process.pid} on {os.uname().nodename}"):
            state.lock()
        await writer.kill()
    state.lock().release()


async def test_two_engines_race_and_exactly_one_holds(tmp_path: Path, full: bool) -> None:
    state, gates = tmp_path / "state", tmp_path / "gates"
    gates.mkdir()
    async with running("race", state, gates) as one, running("race", state, gates) as two:
        both = (one, two)
        for each in both:
            await each.says("ready")
        for number in range(200 if full else 20):
            (gates / str(number)).touch()
            for each in both:
                await each.says(f"{number} ")
            answers = {each.process.pid: each.lines[-1] for each in both}
            (holder,) = [pid for pid, line in answers.items() if line == f"{number} held"]
            (busy,) = [line for pid, line in answers.items() if pid != holder]
            assert re.search(rf"process {holder} on ", busy), busy
            (gates / f"{number}.over").touch()
            winner = next(each for each in both if each.process.pid == holder)
            await winner.says(f"{number} over")


async def test_a_verifier_never_slanders_a_journal_that_is_being_written(tmp_path: Path, full: bool) -> None:
    folder = tmp_path / "INC-0001"
    async with running("append", folder) as writer:
        await writer.lines_said(2)
        for _ in range(150 if full else 20):
            found = await asyncio.to_thread(verify, folder)
            assert found.ok, found
        await writer.kill()


@pytest.mark.needs("tmpfs")
async def test_a_full_disk_stops_new_effects_and_keeps_outcomes(tmp_path: Path) -> None:
    inside = ["unshare", "-rm", *child("full", tmp_path)]
    done = await process.run(inside, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["before"] == ["recorded"]
    assert told["until_low"] == ["recorded"]
    assert told["undertakings"] == ["full"]
    assert told["outcomes"] == ["recorded"]
    assert "no room" in told["other_journal"] or "full" in told["other_journal"], told["other_journal"]
    assert told["nothing_left"] == "full"
    assert (told["verified"]["ok"], told["verified"]["entries"]) == (True, told["last_seq"])
    assert told["room_again"] == ["recorded"]
    assert told["low"] is False
    assert told["end"] == [True, told["last_seq"] + 1, told["last_seq"] + 1]
    assert told["events"] == told["last_seq"] + 1


@pytest.mark.needs("strace")
async def test_each_acknowledgement_follows_a_sync_of_the_wal_and_then_of_the_head(tmp_path: Path) -> None:
    trace, folder = tmp_path / "trace", tmp_path / "INC-0001"
    watched = ["strace", "-f", "-y", "-s", "100", "-o", str(trace), "-e", "trace=fsync,fdatasync,write,pwrite64"]
    done = await process.run([*watched, *child("some", folder)], timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    wal_is_clean, in_head, durable, acknowledged = True, 0, 0, 0
    for call in _completed(trace.read_text(errors="replace").splitlines()):
        if re.match(r"pwrite64\(\d+<[^>]*-wal>", call):
            wal_is_clean = False
        elif re.match(r"(fsync|fdatasync)\(\d+<[^>]*-wal>\) += 0", call):
            wal_is_clean = True
        elif match := re.match(r'pwrite64\(\d+<[^>]*/head>, "{\\"seq\\": (\d+),', call):
            assert wal_is_clean, call
            in_head = int(match[1])
        elif re.match(r"(fsync|fdatasync)\(\d+<[^>]*/head>\) += 0", call):
            durable = in_head
        elif match := re.match(r'write\(1<[^>]*>, "(\d+) [0-9a-f]{32}\\n"', call):
            assert durable >= int(match[1]), call
            acknowledged += 1
    assert acknowledged == verify(folder).entries > 50


def _completed(lines: list[str]) -> Iterator[str]:
    """System calls in the order they ended, but writes to the standard output where they began."""
    begun: dict[str, str] = {}
    for line in lines:
        pid, call = line.split(maxsplit=1)
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>").rstrip()
            if call.startswith("write(1<"):
                yield begun[pid]
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            first = begun.pop(pid)
            if not first.startswith("write(1<"):
                yield first + resumed[1]
        else:
            yield call


async def test_the_head_is_caught_up_after_a_kill_between_commit_and_head(tmp_path: Path) -> None:
    folder = tmp_path / "INC-0001"
    journal = Journal.create(folder, "INC-0001")
    await journal.append(Actor(name="op1"), NoteAdded(text="one"))
    head = (folder / HEAD).read_bytes()
    await journal.append(Actor(name="op1"), NoteAdded(text="two"))
    await journal.close()
    (folder / HEAD).write_bytes(head)
    assert verify(folder).entries == 2
    assert verify(folder).ok
    again = Journal.open(folder)
    assert [event.seq for event in again.events()] == [1, 2]
    marks = read_marks(folder / HEAD)
    assert marks is not None
    assert marks[1].seq == 2
    await again.close()
