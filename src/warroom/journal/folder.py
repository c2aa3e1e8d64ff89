"""The state folder: where incidents live, who holds it, and what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import time
from pathlib import Path
from typing import Any, Literal

from warroom.errors import BadInput, JournalBusy, WarroomError
from warroom.files import ensure_folder, kind, open_private
from warroom.journal.chain import INCIDENT_ID
from warroom.journal.codec import decode, why_unreadable
from warroom.journal.reading import read
from warroom.model import event as ev
from warroom.model.event import Event
from warroom.model.pages import IncidentSummary
from warroom.model.severity import severity_of

INCIDENTS = "incidents"
DRILLS = "drills"
LOCK = "lock"
_HALF_MADE = re.compile(rf"\.{INCIDENT_ID.pattern}\.new")


class Lock:
    """The state folder is ours until ``release``, or until this process ends in any way."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """A second time does nothing. The file stays: deleting it would let two engines lock two files of one name."""
        if self._descriptor is None:
            return
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class StateFolder:
    """``path``, else the environment's WARROOM_STATE, else the platform's folder for a user's state.

    ``prefix`` begins the ids of the incidents made in it. Drills have a state folder of their own within it, with a
    lock of its own: who practises is in nobody's way.
    """

    def __init__(self, path: Path | str | None = None, *, prefix: Literal["INC", "DRILL"] = "INC") -> None:
        self.path = Path(os.path.abspath(path)) if path else _default()
        self._prefix = prefix

    @property
    def drills(self) -> StateFolder:
        return StateFolder(self.path / DRILLS, prefix="DRILL")

    def holding(self, incident_id: str) -> StateFolder:
        """This folder, or its drills', whichever has incidents with such an id."""
        return self.drills if incident_id.startswith("DRILL-") else self

    def ensure(self) -> None:
        """Makes what is missing, 0700. Raises WarroomError for a folder that others may write in."""
        try:
            ensure_folder(self.path)
            ensure_folder(self.path / INCIDENTS)
            found = os.stat(self.path)
        except OSError as error:
            raise WarroomError(
                f"The state folder {self.path} can't be used", str(error.strerror), "Set WARROOM_STATE to another one"
            ) from error
        if kind(self.path / INCIDENTS) != "folder" or not self.path.is_dir():
            raise WarroomError(f"The state folder {self.path} can't be used", "it, or incidents in it, is not a folder")
        if found.st_mode & 0o002:
            raise WarroomError(
                f"The state folder {self.path} can't be used",
                "anybody on this host may write in it",
                "Set WARROOM_STATE to a folder of your own, such as one inside it",
            )

    def lock(self) -> Lock:
        """Holds the folder for this process. Raises JournalBusy, naming the process that holds it."""
        self.ensure()
        try:
            descriptor = open_private(self.path / LOCK, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise WarroomError(f"The state folder {self.path} can't be locked", str(error.strerror)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise JournalBusy(
                "Another warroom is at work here",
                f"{holder} holds {self.path}",
                "Use that one, or end it; another folder can be given in WARROOM_STATE",
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise WarroomError(f"The state folder {self.path} can't be locked", str(error.strerror)) from error
        who = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, who, 0)
        self._clear_half_made()
        return Lock(descriptor)

    def holder(self) -> str:
        """Who holds this folder now, as it wrote down, without trying the lock; empty where nobody does."""
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            return _written_down(descriptor)
        finally:
            os.close(descriptor)

    def folder(self, incident_id: str) -> Path:
        """Where an incident's files are, whether or not it exists. Raises BadInput for an id that isn't one."""
        if not INCIDENT_ID.fullmatch(incident_id):
            raise BadInput(f"{incident_id[:40]!r} is no incident's id", "INC-0001 or DRILL-0001, say, was expected")
        return self.path / INCIDENTS / incident_id

    def existing(self, incident_id: str) -> Path:
        """As ``folder``; raises BadInput when there is no such incident."""
        folder = self.folder(incident_id)
        if kind(folder) == "missing":
            known = ", ".join(self.ids()[-5:])
            raise BadInput(f"There is no {incident_id}", f"{self.path} has {f'… {known}' if known else 'no incidents'}")
        return folder

    def new_incident_id(self) -> str:
        """One above the highest there is. Only for who holds the lock."""
        return f"{self._prefix}-{max((_number(name) for name in self.ids()), default=0) + 1:04}"

    def incidents(self) -> list[IncidentSummary]:
        """Every incident, oldest first. One that can't be read is in the list with the reason, and hides no other."""
        return [self.summary(name) for name in self.ids()]

    def ids(self) -> list[str]:
        """The names of all incidents, oldest first; nothing of them is read."""
        try:
            names = os.listdir(self.path / INCIDENTS)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise WarroomError(f"The state folder {self.path} can't be read", str(error.strerror)) from error
        return sorted((name for name in names if INCIDENT_ID.fullmatch(name)), key=lambda name: (_number(name), name))

    def summary(self, name: str) -> IncidentSummary:
        """One line of the list. Reads the whole journal: blocks."""
        try:
            reading = read(self.folder(name))
        except (WarroomError, OSError) as error:
            return IncidentSummary(id=name, damaged=str(error))
        events = [decode(data, seq) for seq, data in sorted(reading.entries.items())]
        damaged = reading.verified.reason
        if not damaged and reading.incident != name:
            damaged = f"it is the journal of {reading.incident}"
        newer = next((reason for event in events if (reason := why_unreadable(event))), "") if not damaged else ""
        return IncidentSummary(id=name, entries=len(events), damaged=damaged, newer=newer, **_told(events))

    def _clear_half_made(self) -> None:
        """What a crash left of a journal that was being made. Nothing in it was ever acknowledged."""
        for name in os.listdir(self.path / INCIDENTS):
            if _HALF_MADE.fullmatch(name):
                shutil.rmtree(self.path / INCIDENTS / name, ignore_errors=True)


def _number(incident_id: str) -> int:
    return int(incident_id.rpartition("-")[2])


def _told(events: list[Event]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for event in events:
        match event.body:
            case ev.IncidentOpened() as opened:
                told |= {"title": opened.title, "opened_at": event.at, "scenario": opened.scenario}
                told |= {"service": opened.runbook.service}
                told |= {"environment": opened.runbook.environment.name or opened.runbook.environment.kind}
            case ev.IncidentClosed() as closed:
                told |= {"closed": closed.outcome, "closed_at": event.at}
    return told | {"severity": severity_of(events)}


def _default() -> Path:
    named = os.environ.get("WARROOM_STATE")
    if named:
        return Path(os.path.abspath(named))
    import platformdirs

    return platformdirs.user_state_path("warroom", appauthor=False)


def _holder(descriptor: int) -> str:
    """Who holds the lock, as it wrote down. It may be about to: what an ended process left is not believed at once."""
    for _ in range(20):
        if who := _written_down(descriptor):
            return who
        time.sleep(0.01)
    return "a process that did not write down its name"


def _written_down(descriptor: int) -> str:
    """``process 12 on HOST``; empty for what can't be read, and for a process of this host that has ended."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        who = json.loads(os.pread(descriptor, 1000, 0))
        pid, host = int(who["pid"]), str(who["host"])[:100]
        if host != socket.gethostname() or _lives(pid):
            return f"process {pid} on {host}"
    return ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
