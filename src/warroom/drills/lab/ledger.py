"""What a lab has outside its own memory: processes and folders, written down so that the next start can clear up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from warroom import process
from warroom.drills.lab.layout import PREFIX, read_json, remove_tree, write_json

OWNER = ".owner.json"


class Ledger:
    """``processes.json`` in the state folder: the lab's processes by pid and start time, and folders elsewhere."""

    def __init__(self, state: Path) -> None:
        self._path = state / "processes.json"
        self._processes: dict[str, tuple[int, str]] = {}
        self._folders: list[str] = []

    def started(self, name: str, child: process.Child) -> None:
        self._processes[name] = (child.pid, child.start_time)
        self._write()

    def ended(self, name: str) -> None:
        if self._processes.pop(name, None):
            self._write()

    def folder(self, path: Path) -> None:
        """A folder outside the state folder that must not outlive the lab. It says itself whose it is, for `sweep`."""
        write_json(path / OWNER, {"pid": os.getpid(), "start_time": process.start_time(os.getpid())})
        self._folders.append(str(path))
        self._write()

    def close(self) -> None:
        """Remove the folders and the ledger itself: nothing is left to clear up."""
        for folder in self._folders:
            remove_tree(Path(folder))
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        write_json(self._path, {"processes": self._processes, "folders": self._folders})


async def clear_up(state: Path) -> int:
    """End what a killed lab left running and remove its folders. Returns how many processes were ended."""
    path = state / "processes.json"
    left = read_json(path)
    if left is None:
        return 0
    known = [(int(pid), str(started)) for pid, started in left["processes"].values()]
    running = [pid for pid, started in known if process.alive(pid, started)]
    await asyncio.gather(*(process.stop_other(pid, started, grace=3.0) for pid, started in known))
    for folder in left["folders"]:
        remove_tree(Path(folder))
    path.unlink(missing_ok=True)
    return len(running)


def sweep(places: Iterable[Path]) -> int:
    """Remove what killed labs of this user left in shared folders, wherever their state was. Returns how many."""
    removed = 0
    for folder in (found for place in places for found in place.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            owner = folder / OWNER
            found = owner.lstat()
            if folder.is_symlink() or not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                continue
            said = read_json(owner)
            if not process.alive(int(said["pid"]), str(said["start_time"])):
                remove_tree(folder)
                removed += 1
    return removed


def working_in(folder: Path) -> set[int]:
    """The processes whose working folder this is, on Linux: a database server's own children, for one."""
    found, wanted = set(), os.path.realpath(folder)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{name}/cwd") == wanted:
                        found.add(int(name))
    return found


async def wait_until_left(folder: Path, patience: float) -> None:
    """Wait until no process works in the folder; kill what still does after ``patience`` seconds."""
    limit = time.monotonic() + patience
    while pids := working_in(folder):
        if time.monotonic() > limit:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)
