"""Changes to the lab, each with an id and a record on disk, so that anyone can look afterwards how far it came."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warroom.drills.lab.layout import read_json, write_json
from warroom.errors import BadInput, WarroomError

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class BusyError(WarroomError):
    """Another change is under way."""


class ConflictError(WarroomError):
    """The key was used before, for something else."""


@dataclass
class Operation:
    """``state``: running, done, failed, or interrupted (the lab ended in the middle of it)."""

    id: str
    kind: str
    arguments: dict[str, Any]
    state: str = "running"
    attempt: int = 1
    steps: list[dict[str, str]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    began: str = field(default_factory=now)
    ended: str = ""


Step = Callable[[str], None]
"""Say that a step begins."""
Work = Callable[[Step], Awaitable[dict[str, Any]]]


class Operations:
    """One at a time. A record is on disk before its work begins and after each of its steps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._current: Operation | None = None
        for path in folder.glob("*.json"):
            left = read_json(path)
            if left["state"] == "running":
                write_json(path, {**left, "state": "interrupted", "ended": now()})

    @property
    def under_way(self) -> str:
        """What kind of change goes on now; empty when none does."""
        return self._current.kind if self._current is not None else ""

    def find(self, key: str) -> dict[str, Any] | None:
        """The record, or None: nothing was begun under this key."""
        if self._current is not None and self._current.id == key:
            return asdict(self._current)
        found: dict[str, Any] | None = read_json(self._path(key))
        return found

    def begin(self, key: str, kind: str, arguments: dict[str, Any], work: Work) -> dict[str, Any]:
        """Begin, or answer with what runs or was done under this key before; what failed or was interrupted is tried
        again. Raises BusyError, ConflictError, BadInput.
        """
        key = key or secrets.token_hex(8)
        found = self.find(key)
        if found is not None and (found["kind"], found["arguments"]) != (kind, arguments):
            raise ConflictError("This key stands for another change", f"{key} was a {found['kind']}")
        if found is not None and found["state"] in ("running", "done"):
            return found
        if self._current is not None:
            raise BusyError("Another change is under way", f"{self._current.kind} {self._current.id}")
        attempt = found["attempt"] + 1 if found else 1
        operation = self._current = Operation(key, kind, arguments, attempt=attempt)
        self._save(operation)
        self._tasks[key] = asyncio.create_task(self._run(operation, work))
        return asdict(operation)

    async def wait(self, key: str, seconds: float) -> dict[str, Any] | None:
        """The record once the work has ended, or as it is after so many seconds."""
        task = self._tasks.get(key)
        if task is not None:
            await asyncio.wait([task], timeout=seconds)
        return self.find(key)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._current is not None:  # cancelled before its first step, it had no chance to say so itself
            self._end(self._current, "interrupted", "the lab was ended")

    async def _run(self, operation: Operation, work: Work) -> None:
        def step(name: str) -> None:
            operation.steps.append({"name": name, "at": now()})
            self._save(operation)

        try:
            operation.result = await work(step)
        except WarroomError as error:
            self._end(operation, "failed", str(error))
        except asyncio.CancelledError:
            self._end(operation, "interrupted", "the lab was ended")
            raise
        except Exception as error:
            self._end(operation, "failed", repr(error))
            raise
        else:
            self._end(operation, "done")

    def _end(self, operation: Operation, state: str, error: str = "") -> None:
        operation.state, operation.error, operation.ended = state, error, now()
        self._save(operation)
        self._current = None
        self._tasks.pop(operation.id, None)

    def _save(self, operation: Operation) -> None:
        write_json(self._path(operation.id), asdict(operation))

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise BadInput(f"{key!r} can't be an operation's key", "letters, digits and . _ : - are allowed")
        return self._folder / f"{key}.json"
