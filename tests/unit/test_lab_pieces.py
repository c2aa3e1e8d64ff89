"""The lab's smaller pieces: operations with their records, logs by offset, folders, what a killed lab left."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from warroom import process
from warroom.drills.lab.layout import prepare, write_json
from warroom.drills.lab.ledger import Ledger, clear_up, sweep, wait_until_left, working_in
from warroom.drills.lab.logs import read_log
from warroom.drills.lab.operations import BusyError, ConflictError, Operations, Step
from warroom.errors import BadInput, WarroomError

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "operations"
    folder.mkdir(exist_ok=True)
    return folder


async def quick(step: Step) -> dict[str, Any]:
    step("first")
    step("second")
    return {"made": 1}


async def endless(step: Step) -> dict[str, Any]:
    step("first")
    await asyncio.Event().wait()
    return {}


# ---- operations ------------------------------------------------------------------------------------------------


async def test_an_operation_is_done_once_however_often_it_is_sent(tmp_path: Path) -> None:
    runs = []

    async def work(step: Step) -> dict[str, Any]:
        runs.append(1)
        return await quick(step)

    operations = Operations(folder_of(tmp_path))
    operations.begin("k1", "deploy", {"commit": "a"}, work)
    done = await operations.wait("k1", 60)
    assert done is not None
    assert (done["state"], done["result"]) == ("done", {"made": 1})
    assert [step["name"] for step in done["steps"]] == ["first", "second"]
    assert operations.begin("k1", "deploy", {"commit": "a"}, work) == done
    assert runs == [1]
    assert Operations(folder_of(tmp_path)).find("k1") == done


async def test_a_key_stands_for_one_change_only(tmp_path: Path) -> None:
    operations = Operations(folder_of(tmp_path))
    operations.begin("k1", "deploy", {"commit": "a"}, quick)
    await operations.wait("k1", 60)
    with pytest.raises(ConflictError):
        operations.begin("k1", "deploy", {"commit": "b"}, quick)


async def test_one_change_at_a_time_and_nothing_is_noted_of_the_refused_one(tmp_path: Path) -> None:
    operations = Operations(folder_of(tmp_path))
    operations.begin("k1", "deploy", {}, endless)
    with pytest.raises(BusyError):
        operations.begin("k2", "deploy", {}, quick)
    assert operations.find("k2") is None
    await operations.close()
    left = operations.find("k1")
    assert left is not None
    assert left["state"] == "interrupted"


async def test_what_a_killed_lab_was_doing_is_interrupted_and_shows_how_far_it_came(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    first = Operations(folder)
    first.begin("k1", "deploy", {}, endless)
    await asyncio.sleep(0)
    record = json.loads((folder / "k1.json").read_text())
    assert record["state"] == "running"
    again = Operations(folder).find("k1")
    assert again is not None
    assert (again["state"], [step["name"] for step in again["steps"]]) == ("interrupted", ["first"])
    await first.close()


async def test_what_was_interrupted_or_failed_can_be_tried_again_under_its_key(tmp_path: Path) -> None:
    operations = Operations(folder_of(tmp_path))
    operations.begin("k1", "deploy", {}, endless)
    await operations.close()
    assert operations.begin("k1", "deploy", {}, quick)["attempt"] == 2
    done = await operations.wait("k1", 60)
    assert done is not None
    assert (done["state"], done["attempt"]) == ("done", 2)


async def test_a_failure_is_recorded_in_words(tmp_path: Path) -> None:
    async def failing(step: Step) -> dict[str, Any]:
        raise WarroomError("It broke", "of this")

    operations = Operations(folder_of(tmp_path))
    operations.begin("k1", "deploy", {}, failing)
    done = await operations.wait("k1", 60)
    assert done is not None
    assert (done["state"], done["error"]) == ("failed", "It broke. of this")


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", ".", "a/b", "x" * 200, "a b", "-"])
async def test_a_key_never_becomes_another_path(tmp_path: Path, key: str) -> None:
    operations = Operations(folder_of(tmp_path))
    with pytest.raises(BadInput):
        operations.begin(key, "deploy", {}, quick)
    with pytest.raises(BadInput):
        operations.find(key)


# ---- logs ------------------------------------------------------------------------------------------------------


def test_a_log_is_read_in_whole_lines_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"one\ntwo\nthr")
    first = read_log(str(log), 0)
    assert (first["lines"], first["next"]) == (["one", "two"], 8)
    log.write_bytes(b"one\ntwo\nthree\n")
    assert read_log(str(log), first["next"])["lines"] == ["three"]
    assert read_log(str(log), -7)["lines"] == ["three"]
    assert read_log(str(log), 10**9)["lines"] == []
    assert read_log(str(tmp_path / "none.log"), 0) == {"lines": [], "offset": 0, "next": 0, "size": 0}


def test_a_line_longer_than_a_page_does_not_stop_the_reading(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"x" * 1_200_000 + b"\nend\n")
    read, offset = [], 0
    while offset < log.stat().st_size:
        page = read_log(str(log), offset)
        assert page["next"] > offset
        read += page["lines"]
        offset = page["next"]
    assert "".join(read) == "x" * 1_200_000 + "end"


# ---- folders and what is left ----------------------------------------------------------------------------------


def test_the_folders_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        layout = prepare(tmp_path / "lab")
        write_json(layout.announcement, {"token": "x"})
    finally:
        os.umask(before)
    for folder in (layout.state, layout.run, layout.logs, layout.operations, layout.checkouts):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(layout.announcement.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["long" * 25, "a b", "a,b", "a?b&c", "naïve"])
def test_a_long_or_unusual_path_gets_its_sockets_a_plain_one(tmp_path: Path, name: str) -> None:
    layout = prepare(tmp_path / name)
    assert layout.run.parent != layout.state
    assert len(str(layout.run)) < 80
    assert stat.S_IMODE(layout.run.stat().st_mode) == 0o700
    layout.run.rmdir()


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(BadInput):
        prepare(tmp_path / "link")


async def test_what_a_killed_lab_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    ours, other = await process.start(FOREVER), await process.start(FOREVER)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ledger = Ledger(tmp_path)
    ledger.started("app", ours)
    ledger.folder(elsewhere)
    noted = json.loads((tmp_path / "processes.json").read_text())
    # The same pid with another start time is another process by now.
    noted["processes"]["redis"] = [other.pid, other.start_time + "0"]
    (tmp_path / "processes.json").write_text(json.dumps(noted))
    try:
        assert await clear_up(tmp_path) == 1
        assert not process.alive(ours.pid, ours.start_time)
        assert process.alive(other.pid, other.start_time)
        assert not elsewhere.exists()
        assert await clear_up(tmp_path) == 0
    finally:
        await ours.stop(grace=1)
        await other.stop(grace=1)


async def test_folders_in_shared_places_go_with_their_labs_whatever_became_of_the_state(tmp_path: Path) -> None:
    lives, dead, nobodys, link = (tmp_path / f"warroom-lab-{name}" for name in ("a", "b", "c", "d"))
    for folder in (lives, dead, nobodys):
        folder.mkdir()
    ledger = Ledger(tmp_path)
    ledger.folder(lives)
    ledger.folder(dead)
    noted = json.loads((dead / ".owner.json").read_text())
    (dead / ".owner.json").write_text(json.dumps({**noted, "start_time": noted["start_time"] + "0"}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".owner.json").write_text((dead / ".owner.json").read_text())
    link.symlink_to(tmp_path / "other")
    assert sweep([tmp_path]) == 1
    assert [path.exists() for path in (lives, dead, nobodys, link)] == [True, False, True, True]


async def test_a_process_that_stays_in_a_folder_is_ended_after_a_while(tmp_path: Path) -> None:
    child = await process.start(FOREVER, cwd=tmp_path)
    try:
        assert child.pid in working_in(tmp_path)
        waiting = asyncio.ensure_future(child.wait())
        await wait_until_left(tmp_path, patience=0.1)
        assert await waiting == -9
    finally:
        await child.stop(grace=0)
