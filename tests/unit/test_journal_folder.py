"""The state folder: its lock, its ids, and the list that one damaged journal can't spoil."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path

import pytest

from warroom.errors import BadInput, JournalBusy, WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.model.event import Actor, Body, IncidentClosed, TriggerChanged
from warroom.testing.builders import a_trigger, an_incident, at

ENGINE = Actor(name="warroom", kind="engine")


async def make(state: StateFolder, *bodies: Body) -> str:
    incident = state.new_incident_id()
    journal = Journal.create(state.folder(incident), incident, now=at)
    await journal.append(ENGINE, *bodies)
    await journal.close()
    return incident


async def test_ids_count_up_and_are_never_reused(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    assert (state.new_incident_id(), state.incidents()) == ("INC-0001", [])
    assert [await make(state, an_incident()) for _ in range(3)] == ["INC-0001", "INC-0002", "INC-0003"]
    (state.path / "incidents" / "INC-9999").mkdir()
    (state.path / "incidents" / "notes").mkdir()
    assert state.new_incident_id() == "INC-10000"


async def test_the_list_has_what_a_person_looks_for(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    await make(state, an_incident(severity="warning", title="slow", scenario="bad-release"))
    await make(
        state,
        an_incident(severity=None),
        TriggerChanged(was="pending", reading=a_trigger("firing")),
        IncidentClosed(outcome="recovered", reason=""),
    )
    await make(state)
    first, second, third = state.incidents()
    assert json.loads(first.model_dump_json()) == {
        "id": "INC-0001",
        "title": "slow",
        "service": "ai-saas-app",
        "environment": "lab",
        "scenario": "bad-release",
        "opened_at": at().isoformat().replace("+00:00", "Z"),
        "closed": None,
        "closed_at": None,
        "severity": "warning",
        "entries": 1,
        "damaged": "",
        "newer": "",
    }
    assert (second.closed, second.closed_at, second.severity, second.entries) == ("recovered", at(), "critical", 3)
    assert (third.entries, third.damaged) == (0, "")


async def test_one_damaged_journal_hides_no_other(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    for _ in range(5):
        await make(state, an_incident())
    incidents = tmp_path / "incidents"
    (incidents / "INC-0001" / "journal.db").write_bytes(b"")
    (incidents / "INC-0002" / "journal.db").write_bytes(b"not a database at all" * 500)
    (incidents / "INC-0003" / "head").unlink()
    (incidents / "INC-0004").rename(tmp_path / "elsewhere")
    (incidents / "INC-0004").symlink_to(tmp_path / "elsewhere")
    (incidents / "INC-0006").mkdir()
    (incidents / "INC-0007").write_text("a file")
    (tmp_path / "elsewhere2").mkdir()
    listed = {incident.id: incident for incident in state.incidents()}
    reasons = {name: incident.damaged for name, incident in listed.items()}
    assert reasons == {
        "INC-0001": "journal.db is empty",
        "INC-0002": "journal.db is not a readable database: file is not a database",
        "INC-0003": "head is missing",
        "INC-0004": "the folder is a link, which is not followed",
        "INC-0005": "",
        "INC-0006": "journal.db is missing",
        "INC-0007": "the folder is a file, which is not followed",
    }
    assert listed["INC-0005"].title == "Error rate 12.4 %"


async def test_a_journal_under_another_name_is_told(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    await make(state, an_incident())
    (tmp_path / "incidents" / "INC-0001").rename(tmp_path / "incidents" / "INC-0005")
    assert [(i.id, i.damaged) for i in state.incidents()] == [("INC-0005", "it is the journal of INC-0001")]


@pytest.mark.parametrize(
    "name", ["../x", "INC-1/..", "INC-0001\n", "inc-0001", "", "-rf", "INC-٠٠٠١", "INC-1234567890"]
)
def test_an_id_is_checked_before_it_is_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        StateFolder(tmp_path).folder(name)


async def test_an_incident_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with pytest.raises(BadInput, match="no incidents"):
        state.existing("INC-0007")
    await make(state, an_incident())
    with pytest.raises(BadInput, match="INC-0001"):
        state.existing("INC-0007")
    assert state.existing("INC-0001") == state.folder("INC-0001")


def test_a_second_engine_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.lock() as held, pytest.raises(JournalBusy, match=f"process {os.getpid()} on {os.uname().nodename}"):
        StateFolder(tmp_path).lock()
    held.release()
    state.lock().release()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"pid": 2**22 + 7, "host": os.uname().nodename}, "a process that did not write down its name"),
        ({"pid": 2**22 + 7, "host": "bastion-2"}, "process 4194311 on bastion-2"),
        ({"pid": "x"}, "a process that did not write down its name"),
        ([], "a process that did not write down its name"),
    ],
)
def test_what_an_ended_holder_left_is_not_believed(tmp_path: Path, written: object, said: str) -> None:
    """Between taking the lock and writing its name the new holder stands under the old one's."""
    lock = tmp_path / "lock"
    lock.write_text(json.dumps(written))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(JournalBusy, match=said):
            StateFolder(tmp_path).lock()


def test_the_lock_clears_what_a_crash_left_half_made(tmp_path: Path) -> None:
    half = tmp_path / "incidents" / ".INC-0004.new"
    half.mkdir(parents=True)
    (half / "reserve").write_bytes(b"0")
    StateFolder(tmp_path).lock().release()
    assert not half.exists()


def test_where_the_state_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARROOM_STATE", str(tmp_path / "named"))
    assert StateFolder().path == tmp_path / "named"
    assert StateFolder(tmp_path / "given").path == tmp_path / "given"
    monkeypatch.delenv("WARROOM_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert StateFolder().path.name == "warroom"


def test_folders_are_ours_alone_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = StateFolder(tmp_path / "a" / "b")
        state.lock().release()
    finally:
        os.umask(before)
    for path, mode in [(state.path.parent, 0o700), (state.path / "incidents", 0o700), (state.path / "lock", 0o600)]:
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_folder_that_anybody_may_write_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(WarroomError, match="anybody"):
        StateFolder(tmp_path / "open").lock()


@pytest.mark.parametrize("name", ["lock", "incidents"])
def test_links_and_files_in_the_way_are_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.mkdir() if name == "incidents" else target.write_text("mine")
    state = tmp_path / "state"
    state.mkdir()
    (state / name).symlink_to(target)
    with pytest.raises(WarroomError):
        StateFolder(state).lock()
    assert target.is_dir() or target.read_text() == "mine"
    with pytest.raises(WarroomError):
        StateFolder(target if target.is_file() else target / "x" / ("y" * 300)).ensure()
