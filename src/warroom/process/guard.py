"""This process's end of the guardian: starts it when it is first needed, and tells it what to end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

from warroom.process import guardian


class Guard:
    """Starts the guardian, and again if someone ends it. One for each process; see `GUARD`."""

    def __init__(self) -> None:
        self._pipe: IO[bytes] | None = None
        self._owner = 0
        self._running: dict[int, str] = {}
        self._count = 0
        self.pid = 0

    def _begin(self) -> IO[bytes]:
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", guardian.__file__],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
            self.pid = process.pid
            process.returncode = 0  # nobody waits for it: it ends after this process does
        finally:
            os.close(reading)
        pipe = open(writing, "wb", buffering=0)  # noqa: SIM115 - kept open for as long as this process lives
        for pid, started in self._running.items():
            pipe.write(f"+ - {pid} {started}\n".encode())
        return pipe

    def _say(self, line: str) -> None:
        if self._pipe is None or self._owner != os.getpid():
            if self._owner != os.getpid():
                self._running.clear()
            self._pipe, self._owner = self._begin(), os.getpid()
        try:
            self._pipe.write(f"{line}\n".encode())
        except BrokenPipeError:
            self._pipe.close()
            self._pipe = self._begin()
            self._pipe.write(f"{line}\n".encode())

    def running(self) -> set[int]:
        """The numbers of what will be ended with this process."""
        return set(self._running)

    def announce(self, pipe: int) -> str:
        """``pipe`` is the inode of the pipe that the process is given. Returns its mark."""
        self._count += 1
        mark = f"{os.getpid()}.{self._count}.{os.urandom(6).hex()}"
        self._say(f"? {mark} {pipe}")
        return mark

    def started(self, mark: str, pid: int) -> None:
        self._running[pid] = guardian.start_ticks(pid)
        self._say(f"+ {mark} {pid} {self._running[pid]}")

    def failed(self, mark: str) -> None:
        self._say(f"! {mark}")

    def forget(self, pid: int) -> None:
        if self._running.pop(pid, None) is not None:
            self._say(f"- {pid}")


GUARD = Guard()
