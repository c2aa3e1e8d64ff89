"""What code does to the world while it is watched, by Python's own audit events: nothing it imports can go around them.

An audit hook can't be taken out again, so one is put in at first use and looks at the current context only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import JsonValue

from warroom.api import Address, Connection, ReadDoor, Rows, Snapshot
from warroom.model.call import CallResult

T = TypeVar("T")
_PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
)
_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})
_CHANGES = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"}
) | {"os.kill", "os.killpg", "os.putenv", "os.unsetenv", "shutil.rmtree", "shutil.move", "shutil.copyfile"}
_TWO_PATHS = frozenset({"os.rename", "os.link", "shutil.move"})
_IN_FOLDER = frozenset({"os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.chown"})
"""Events whose last argument is the open folder that a relative path starts from, or -1."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_IMPORTED = (".py", ".pyc", ".so", ".pyd", ".zip", ".pth")


class ForbiddenEffect(RuntimeError):
    """Raised within the watched code."""


class Guard:
    """``pure`` allows nothing but imports; ``reading`` also lets files be read. ``folder`` may be written to.

    ``seen`` says what was tried: the watched code may swallow what is raised.
    """

    def __init__(self, kind: Literal["pure", "reading"], folder: Path | None = None) -> None:
        self._pure = kind == "pure"
        self._folder = str(folder.resolve()) + os.sep if folder else None
        self.seen: list[str] = []

    def look(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            told = self._opened(*args[:3])
        elif event in _PROCESSES or event in _NETWORK or (event in _CHANGES and not self._allowed(event, args)):
            told = f"{event} {_short(args[:2])}"
        else:
            return
        if told:
            self.seen.append(told)
            raise ForbiddenEffect(told)

    def _allowed(self, event: str, args: tuple[Any, ...]) -> bool:
        """Within the folder, or Python keeping what it compiled."""
        if "__pycache__" in str(args[:1]):
            return True
        places = args[:2] if event in _TWO_PATHS else args[:1]
        return bool(places) and all(self._inside(_whole(event, args, place)) for place in places)

    def _opened(self, path: Any, mode: Any, flags: Any) -> str:
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if not name or name == os.devnull or self._inside(name) or name.endswith(_IMPORTED) or ".pyc." in name:
            return ""
        writes = bool(flags & _WRITING) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
        return f"open {name}" if writes or self._pure else ""

    def _inside(self, path: Any) -> bool:
        if self._folder is None or not isinstance(path, str | bytes | os.PathLike):
            return False
        return (os.path.abspath(os.fsdecode(path)) + os.sep).startswith(self._folder)


_GUARD: ContextVar[Guard | None] = ContextVar("guard", default=None)
_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    guard = _GUARD.get()
    if guard is None:
        return
    token = _GUARD.set(None)  # what looking itself does is not looked at
    try:
        guard.look(event, args)
    finally:
        _GUARD.reset(token)


@contextlib.contextmanager
def watched(guard: Guard) -> Iterator[None]:
    """What this context does, and the tasks and ``asyncio.to_thread`` calls it starts, goes through ``guard``."""
    global _hooked  # noqa: PLW0603 - one hook for the process: it can't be removed
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    token = _GUARD.set(guard)
    try:
        yield
    finally:
        _GUARD.reset(token)


@contextlib.contextmanager
def _unwatched() -> Iterator[None]:
    token = _GUARD.set(None)
    try:
        yield
    finally:
        _GUARD.reset(token)


class WitnessedDoor:
    """A read door that is not watched itself. ``argvs`` and ``urls`` are what went through it."""

    def __init__(self, door: ReadDoor) -> None:
        self._door = door
        self.argvs: list[tuple[str, ...]] = []
        self.urls: list[str] = []

    async def run(self, argv: Sequence[str], **more: Any) -> CallResult:
        self.argvs.append(tuple(argv))
        with _unwatched():
            return await self._door.run(argv, **more)

    async def http(
        self,
        method: Literal["GET", "HEAD", "POST"],
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, JsonValue] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> CallResult:
        self.urls.append(url)
        with _unwatched():
            return await self._door.http(method, url, timeout=timeout, headers=headers, body=body, cookies=cookies)

    async def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        self.urls.append(url)
        with _unwatched():
            return self._lines(await self._door.stream(url, headers=headers))

    async def sql(self, secret: str, statement: str, **more: Any) -> Rows:
        with _unwatched():
            return await self._door.sql(secret, statement, **more)

    def address(self, secret: str) -> Address:
        with _unwatched():
            return self._door.address(secret)

    @contextlib.asynccontextmanager
    async def snapshot(self, secret: str, **more: Any) -> AsyncIterator[Snapshot]:
        async with contextlib.AsyncExitStack() as stack:
            with _unwatched():
                found = await stack.enter_async_context(self._door.snapshot(secret, **more))
            yield _WitnessedSnapshot(found)

    async def redis(self, secret: str, *command: str, timeout: float) -> JsonValue:
        with _unwatched():
            return await self._door.redis(secret, *command, timeout=timeout)

    async def dial(self, to: str | Sequence[str], *, timeout: float) -> Connection:
        if not isinstance(to, str):
            self.argvs.append(tuple(to))
        with _unwatched():
            return await self._door.dial(to, timeout=timeout)

    async def ask(
        self, line: str, work: Coroutine[Any, Any, T], *, timeout: float, status: Callable[[T], int] | None = None
    ) -> T:
        with _unwatched():
            return await self._door.ask(line, work, timeout=timeout, status=status)

    async def _lines(self, lines: AsyncIterator[str]) -> AsyncIterator[str]:
        while True:
            with _unwatched():
                line = await anext(lines, None)
            if line is None:
                return
            yield line


def _whole(event: str, args: tuple[Any, ...], path: Any) -> Any:
    """``path`` from the open folder that the call was given, where it was given one, as ``shutil.rmtree`` does.

    An open file is given by its descriptor alone, as to ``os.fchmod``.
    """
    if isinstance(path, int):
        return _opened_as(path)
    handle = args[-1] if event in _IN_FOLDER else -1
    if not isinstance(handle, int) or handle < 0 or not isinstance(path, str | bytes | os.PathLike):
        return path
    folder = _opened_as(handle)
    return None if folder is None else os.path.join(folder, os.fsdecode(path))


def _opened_as(descriptor: int) -> str | None:
    try:
        if hasattr(fcntl, "F_GETPATH"):
            return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None


def _short(args: tuple[Any, ...]) -> str:
    return " ".join(str(arg)[:120] for arg in args)


class _WitnessedSnapshot:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.name = snapshot.name
        self.at = snapshot.at

    async def sql(self, statement: str, **more: Any) -> Rows:
        with _unwatched():
            return await self._snapshot.sql(statement, **more)
