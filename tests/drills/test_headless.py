"""Drills as they are played on the command line, on real labs: each is one whole story, looked at from every side."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drills.stories import HEADLESS, MOMENTS, command, drilled, of_this_tree
from tests.labs import measured, mentioning, until
from warroom.actions import evidence
from warroom.drills.drill import playing
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.model.event import Actor
from warroom.testing.builders import an_incident

OWNING_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def test_a_target_that_is_broken_too_ends_in_fail_and_says_what_could_be_done(tmp_path: Path) -> None:
    status, result, story = drilled(of_this_tree(tmp_path), tmp_path, "--fault-in-target")
    assert status == 1
    assert (result["to"], result["rolled_back"], result["verified"]) == ("v1.0.0-beta.2", True, "fail")
    assert result["timings"]["verified"] is None
    seconds = [result["timings"][moment] for moment in MOMENTS[:4]]
    assert seconds == sorted(seconds)
    assert "NOT recovered: rolled back to v1.0.0-beta.2, and verification failed" in story
    assert "a way on: Go back to v1.0.0-beta.1 instead" in story
    assert verify(Path(result["journal"]).parent).ok
    assert evidence.verify(Path(result["evidence"])) == []
    report = Path(result["report"]).read_text()
    assert "- Outcome: unresolved: verification failed" in report
    assert "verification: FAIL" in report
    (listed,) = json.loads(of_this_tree(tmp_path)("incidents", "--json").stdout)
    assert listed["closed"] == "unresolved"


async def test_with_the_faulty_commit_reverted_no_trigger_fires(tmp_path: Path) -> None:
    """The same release train, the same traffic, the same rules: nothing but the fault makes the difference."""
    async with playing("bad-release", tmp_path, quiet=1, revert_fault=True) as drill:
        engine = drill.engine

        async def look() -> int:
            """Until requests on beta.3 have been seen for longer than any window; how many there were."""
            while drill.fault_at is None:
                await asyncio.sleep(0.1)
            assert (await drill.lab.state())["release"]["version"] == "v1.0.0-beta.3"
            users = asyncio.create_task(measured(drill.lab, requests=200))
            began = engine.core.clock.monotonic()
            longest = max(drill.runbook.drill_windows[name] for name in ("error-rate", "p95", "sign-in", "redis"))
            while True:
                await asyncio.sleep(0.5)
                assert {r.id: r.words for r in engine.sensing.readings.values() if r.status == "firing"} == {}
                seen = sum(point.seen for point in engine.sensing.signals.since("http-error-ratio", began))
                if engine.core.clock.monotonic() - began > longest + 2 and seen > 300:
                    assert (await users).errors == 0
                    return seen

        assert await drill.while_it_lasts(look()) > 300
        assert engine.core.running is not None
        assert engine.core.running.version == "v1.0.0-beta.3"
        statuses = {r.id: r.status for r in engine.sensing.readings.values()}
        assert statuses["high-error-rate"] == statuses["auth-down"] == "ok"
        assert statuses["database-corruption"] == "ok", "the database was asked, and all of its rules hold"
        assert engine.core.state.incident is None
    assert StateFolder(tmp_path).incidents() == []


# ---- what ends a drill early -------------------------------------------------------------------------------------


@contextmanager
def drilling(state: Path) -> Iterator[subprocess.Popen[str]]:
    argv, env = command(state, *HEADLESS)
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def told(running: subprocess.Popen[str], part: str) -> None:
    """Waits until the drill has said this."""
    assert running.stderr is not None
    for line in running.stderr:
        if part in line:
            return
    raise AssertionError(f"it ended without saying {part!r}")


def ended_quietly(running: subprocess.Popen[str], signum: signal.Signals, state: Path) -> None:
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (128 + signum, "", "")
    assert mentioning(state) == set()
    assert not (state / "drills" / "lab").exists()


async def test_a_signal_while_the_lab_starts_ends_it_quietly_and_leaves_nothing(tmp_path: Path) -> None:
    with drilling(tmp_path) as running:
        told(running, "starting the lab")
        running.send_signal(signal.SIGTERM)
        await asyncio.to_thread(ended_quietly, running, signal.SIGTERM, tmp_path)


async def test_a_terminal_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    """At the console: the line to the bastion breaks, and its terminal with it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    argv, env = command(tmp_path, "drill")
    running = subprocess.Popen(
        [sys.executable, "-c", OWNING_THE_TERMINAL, *argv],
        env={**env, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        drawn = b""
        while b"DRILL" not in drawn:
            drawn += await asyncio.to_thread(os.read, ours, 65536)
        os.close(ours)
        assert await asyncio.to_thread(running.wait, 60) == 128 + signal.SIGHUP
    finally:
        running.kill()
    await until(lambda: not mentioning(tmp_path), "nothing of it is left")


async def test_kill_9_leaves_nothing_and_the_next_drill_begins_anew(tmp_path: Path) -> None:
    """What the earlier one left open is closed, and not taken up."""
    with drilling(tmp_path) as running:
        told(running, "the lab serves")
        running.kill()
        await asyncio.to_thread(running.wait)
        await until(lambda: mentioning(tmp_path) == set(), "everything has ended")
    root = tmp_path / "drills"
    folder = StateFolder(root, prefix="DRILL")
    folder.ensure()
    journal = Journal.create(folder.folder("DRILL-0001"), "DRILL-0001")
    await journal.append(Actor(name="op1", uid=1000), an_incident(incident="DRILL-0001", scenario="bad-release"))
    await journal.close()
    old = root / "live" / "logs" / "old"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_text("a line of another lab")
    async with playing("bad-release", root, quiet=600) as drill:
        assert (await drill.lab.state())["release"]["version"] == "v1.0.0-beta.2"
        assert drill.engine.core.state.incident is None
        assert not old.exists()
        (summary,) = folder.incidents()
        assert summary.closed == "unresolved"
        assert summary.entries == 2


async def test_two_at_once_in_two_folders_and_never_in_one(tmp_path: Path) -> None:
    """And each signal that a person or a terminal sends ends its drill quietly, and leaves nothing."""
    one, other = tmp_path / "one", tmp_path / "other"
    with drilling(one) as first, drilling(other) as second:
        told(first, "the lab serves")
        told(second, "the lab serves")
        again = await asyncio.to_thread(of_this_tree(one), *HEADLESS)
        assert (again.returncode, again.stdout) == (1, "")
        assert "Another warroom is at work here" in again.stderr
        assert f"process {first.pid}" in again.stderr
        assert "starting the lab" not in again.stderr
        ends = ((first, signal.SIGINT, one), (second, signal.SIGHUP, other))
        for running, signum, _ in ends:
            running.send_signal(signum)
        for end in ends:
            await asyncio.to_thread(ended_quietly, *end)


def test_a_lab_that_does_not_start_is_told_plainly(tmp_path: Path) -> None:
    """Here because another lab, of a drill that was killed, say, has not let go of its folder yet."""
    lab = tmp_path / "drills" / "lab"
    lab.mkdir(parents=True)
    with (lab / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = of_this_tree(tmp_path)(*HEADLESS)
    assert (done.returncode, done.stdout) == (1, "")
    told = done.stderr.splitlines()
    assert told[1:3] == [
        "warroom: The lab did not start",
        f"  Another lab is running in this state folder. {lab}. End it, or name another folder",
    ]
    assert len(told) == 3


def test_a_place_that_is_taken_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "lab").write_text("in the way")
    done = of_this_tree(tmp_path)(*HEADLESS)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("warroom: The lab has no folder\n")
