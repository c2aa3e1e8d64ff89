"""A tmux server of a test's own, with clients that have a terminal of their own, as people have who share a session."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Size = tuple[int, int]
"""Columns and rows."""


class Tmux:
    """The server on a socket in ``folder``; the one session is called ``main``."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._argv = ["tmux", "-f", os.devnull, "-S", str(folder / "tmux")]
        self._env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **env}

    def __call__(self, *words: str) -> str:
        """One command. Raises ``CalledProcessError`` when tmux refuses it."""
        done = subprocess.run(
            [*self._argv, *words], env=self._env, check=True, capture_output=True, text=True, timeout=20
        )
        return done.stdout

    def start(self, argv: Sequence[str], size: Size) -> None:
        self("new-session", "-d", "-s", "main", "-x", str(size[0]), "-y", str(size[1]), *argv)
        self("set-option", "-g", "status", "off")
        self("set-option", "-g", "window-size", "latest")
        self("set-option", "-g", "remain-on-exit", "on")

    def keys(self, *names: str) -> None:
        self("send-keys", "-t", "main", *names)

    def type(self, text: str) -> None:
        self("send-keys", "-t", "main", "-l", text)

    def screen(self) -> str:
        return self("capture-pane", "-p", "-t", "main")

    def size(self) -> Size:
        cells, rows = self("display-message", "-p", "-t", "main", "#{window_width} #{window_height}").split()
        return int(cells), int(rows)

    def ended(self) -> int | None:
        """The program's exit status, once it has ended; of one that a signal ended, the signal's number below zero.

        tmux knows that its terminal was closed before it knows how it ended: until then it has not ended. Now and then
        tmux 3.3 misses the signal that says so, and would wait for it for ever: it is told again.
        """
        told = "#{pane_dead} #{pane_dead_status} #{pane_dead_signal} #{pid}"
        dead, status, number, server = self("display-message", "-p", "-t", "main", told).strip("\n").split(" ")
        if dead == "1" and not (status or number):
            os.kill(int(server), signal.SIGCHLD)
        if dead != "1" or not (status or number):
            return None
        return int(status) if status else -int(number)

    async def until(self, seen: Callable[[str], bool], what: str, seconds: float = 60) -> str:
        """The screen as soon as it shows it. Fails with the screen when it does not."""
        screen = ""
        try:
            async with asyncio.timeout(seconds):
                while not seen(screen := await asyncio.to_thread(self.screen)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {what}\n{screen}") from None
        return screen

    async def shows(self, pattern: str, seconds: float = 60) -> str:
        return await self.until(lambda screen: re.search(pattern, screen) is not None, pattern, seconds)

    @contextmanager
    def client(self, size: Size) -> Iterator[Client]:
        """Somebody attached from a terminal of this size."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        attached = subprocess.Popen(
            [*self._argv, "attach-session", "-t", "main"],
            env=self._env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        client = Client(ours, size)
        try:
            yield client
        finally:
            client.close()  # first: a client that waits to be read from does not end
            attached.terminate()
            attached.wait(timeout=60)

    def kill(self) -> None:
        subprocess.run([*self._argv, "kill-server"], env=self._env, check=False, capture_output=True, timeout=60)


class Client:
    """One attached terminal. What tmux draws there is read and thrown away, so that tmux never waits for it."""

    def __init__(self, terminal: int, size: Size) -> None:
        self.size = size
        self._terminal = terminal
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(terminal, self._drain)

    def _drain(self) -> None:
        try:
            os.read(self._terminal, 65536)
        except OSError:  # the client has ended
            self._loop.remove_reader(self._terminal)

    def press(self, keys: str) -> None:
        """Typed on this terminal's own keyboard."""
        os.write(self._terminal, keys.encode())

    def close(self) -> None:
        self._loop.remove_reader(self._terminal)
        os.close(self._terminal)
