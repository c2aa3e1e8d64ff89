"""Strict fakes of what a plugin is given: they answer what was expected, and fail on anything else.

An unexpected call raises at once and is remembered, since code under test may catch what it raises: leave the door as a
context manager, or call ``verify``, to hear of it and of expectations that nothing met.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from pydantic import JsonValue

from warroom.api import Address, Clock, Connection, Context, ReadDoor, Rows, Snapshot
from warroom.errors import WarroomError
from warroom.model.call import CallResult, PgPass
from warroom.testing.clock import START, VirtualClock

T = TypeVar("T")
Kind = Literal["run", "http", "stream", "sql", "redis", "dial"]


class UnexpectedCall(AssertionError):
    pass


@dataclass(frozen=True)
class Made:
    """One call that came through the door: ``what`` is the argv, method and URL, secret and statement, or secret and
    command."""

    kind: Kind
    what: tuple[str, ...]
    env: Mapping[str, str | PgPass] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, JsonValue] | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    parameters: tuple[JsonValue, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Expected:
    kind: Kind
    what: tuple[str, ...]
    answer: Any
    times: int | None
    when: Callable[[Made], bool]
    met: int = 0


def _any(_: Made) -> bool:
    return True


class FakeReadDoor:
    """A ``warroom.api.ReadDoor`` with expected calls. Each is met once, or ``times`` times.

    ``times`` None: any number, even none. ``when`` looks at the rest of the call (body, headers). An answer that is a
    ``WarroomError`` is raised.
    """

    def __init__(self) -> None:
        self.made: list[Made] = []
        self.unexpected: list[Made] = []
        self.asked: list[str] = []
        self.addresses: dict[str, Address] = {}
        self._expected: list[_Expected] = []

    def on_run(
        self,
        argv: Sequence[str],
        answer: CallResult | WarroomError | str = "",
        *,
        times: int | None = 1,
        when: Callable[[Made], bool] = _any,
    ) -> Self:
        """A text is the output of a program that ended with 0."""
        result = CallResult(status=0, text=answer) if isinstance(answer, str) else answer
        self._expected.append(_Expected("run", tuple(argv), result, times, when))
        return self

    def on_http(
        self,
        method: str,
        url: str,
        answer: CallResult | WarroomError | JsonValue = None,
        *,
        status: int = 200,
        times: int | None = 1,
        when: Callable[[Made], bool] = _any,
    ) -> Self:
        """JSON is the body of a reply with ``status``."""
        result = answer if isinstance(answer, CallResult | WarroomError) else CallResult(status=status, data=answer)
        self._expected.append(_Expected("http", (method, url), result, times, when))
        return self

    def on_stream(self, url: str, lines: Sequence[str] | WarroomError, *, times: int | None = 1) -> Self:
        self._expected.append(_Expected("stream", (url,), lines, times, _any))
        return self

    def on_sql(
        self,
        secret: str,
        statement: str,
        answer: Rows | WarroomError | Sequence[Mapping[str, JsonValue]] = (),
        *,
        times: int | None = 1,
        when: Callable[[Made], bool] = _any,
    ) -> Self:
        """Rows may be given as objects with the same keys. Blanks and line breaks in the statement count as one."""
        self._expected.append(_Expected("sql", (secret, _one_line(statement)), _rows(answer), times, when))
        return self

    def on_redis(
        self, secret: str, *command: str, answer: JsonValue | WarroomError = None, times: int | None = 1
    ) -> Self:
        self._expected.append(_Expected("redis", (secret, *command), answer, times, _any))
        return self

    def on_dial(self, to: str | Sequence[str], answer: Connection | WarroomError, *, times: int | None = 1) -> Self:
        """The answer is what a test connects itself, such as one end of ``socket.socketpair()``."""
        what = (to,) if isinstance(to, str) else tuple(to)
        self._expected.append(_Expected("dial", what, answer, times, _any))
        return self

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str | PgPass] | None = None,
        cwd: Path | None = None,
        stdin: str | PgPass | None = None,
        stdin_file: Path | None = None,
        stdin_held: bool = False,
        stdout_file: Path | None = None,
        on_line: Callable[[str, str], None] | None = None,
    ) -> CallResult:
        """The answer's text is written to ``stdout_file`` where there is one."""
        result = self._result(Made("run", tuple(argv), env=dict(env or {}), timeout=timeout))
        if stdout_file is None:
            return result
        await asyncio.to_thread(stdout_file.write_text, result.text)
        return result.model_copy(update={"text": ""})

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
        made = Made("http", (method, url), body=body, timeout=timeout, headers=dict(headers or {}))
        return self._result(replace(made, cookies=dict(cookies or {})))

    async def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        answer = self._answer(Made("stream", (url,), headers=dict(headers or {})))
        assert not isinstance(answer, CallResult)
        return _each(answer)

    async def sql(
        self,
        secret: str,
        statement: str,
        *,
        timeout: float,
        parameters: Sequence[JsonValue] = (),
        names: Mapping[str, str] | None = None,
        at_most: int = 1000,
        database: str | None = None,
        through: Sequence[str] = (),
    ) -> Rows:
        what = (secret, _one_line(statement))
        made = Made("sql", what, timeout=timeout, parameters=tuple(parameters), names=dict(names or {}))
        answer = self._answer(made)
        assert isinstance(answer, Rows)
        return replace(answer, rows=answer.rows[:at_most], more=answer.more or len(answer.rows) > at_most)

    def address(self, secret: str) -> Address:
        """The one that a test has put into ``addresses``."""
        if secret not in self.addresses:
            raise UnexpectedCall(f"nobody expected the address {secret}")
        return self.addresses[secret]

    @contextlib.asynccontextmanager
    async def snapshot(
        self, secret: str, *, timeout: float, database: str | None = None, through: Sequence[str] = ()
    ) -> AsyncIterator[Snapshot]:
        """Its statements are met as those of ``sql`` are."""
        yield _FakeSnapshot(self, secret)

    async def redis(self, secret: str, *command: str, timeout: float) -> JsonValue:
        answer: JsonValue = self._answer(Made("redis", (secret, *command), timeout=timeout))
        return answer

    async def dial(self, to: str | Sequence[str], *, timeout: float) -> Connection:
        what = (to,) if isinstance(to, str) else tuple(to)
        answer: Connection = self._answer(Made("dial", what, timeout=timeout))
        return answer

    async def ask(
        self, line: str, work: Coroutine[Any, Any, T], *, timeout: float, status: Callable[[T], int] | None = None
    ) -> T:
        """Not expected beforehand: ``work`` meets whatever the test put there. Its ``line`` is in ``asked``."""
        self.asked.append(line)
        async with asyncio.timeout(timeout):
            return await work

    def verify(self) -> None:
        """Raises ``UnexpectedCall`` for calls nobody expected, and for expectations that were not met."""
        left = [e for e in self._expected if e.times is not None and e.met != e.times]
        told = [f"unexpected: {m.kind} {' '.join(m.what)}" for m in self.unexpected]
        told += [f"expected {e.times}, came {e.met}: {e.kind} {' '.join(e.what)}" for e in left]
        if told:
            raise UnexpectedCall("; ".join(told))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.verify()

    def _result(self, made: Made) -> CallResult:
        answer = self._answer(made)
        assert isinstance(answer, CallResult)
        return answer

    def _answer(self, made: Made) -> Any:
        self.made.append(made)
        for expected in self._expected:
            same = (expected.kind, expected.what) == (made.kind, made.what)
            if same and (expected.times is None or expected.met < expected.times) and expected.when(made):
                expected.met += 1
                if isinstance(expected.answer, WarroomError):
                    raise expected.answer
                return expected.answer
        self.unexpected.append(made)
        raise UnexpectedCall(f"nobody expected {made.kind} {' '.join(made.what)}")


class _FakeSnapshot:
    name = "00000003-00000001-1"
    at = START

    def __init__(self, door: FakeReadDoor, secret: str) -> None:
        self._door = door
        self._secret = secret

    async def sql(self, statement: str, **more: Any) -> Rows:
        return await self._door.sql(self._secret, statement, **more)


def _one_line(statement: str) -> str:
    return " ".join(statement.split())


def _rows(answer: Rows | WarroomError | Sequence[Mapping[str, JsonValue]]) -> Rows | WarroomError:
    if isinstance(answer, Rows | WarroomError):
        return answer
    columns = tuple(answer[0]) if answer else ()
    return Rows(columns, tuple(tuple(row[name] for name in columns) for row in answer))


async def _each(lines: Sequence[str]) -> AsyncIterator[str]:
    for line in lines:
        yield line


class FakeSecrets:
    """A ``SecretResolver`` over a dictionary. ``given`` are the values it has handed out."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        self.given: set[str] = set()

    def __call__(self, name: str) -> str:
        if name not in self._values:
            raise WarroomError(f"The secret {name} is missing", "The test names no such secret.")
        self.given.add(self._values[name])
        return self._values[name]


class FakeFolder:
    """A ``warroom.api.Folder`` over a real directory. ``kinds`` has each file's kind, ``rows`` what was counted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incident = "i1"
        self.kinds: dict[str, str] = {}
        self.rows: dict[str, int] = {}
        self.said: list[str] = []

    @contextlib.asynccontextmanager
    async def _file(self, name: str, kind: str) -> AsyncIterator[Path]:
        if Path(name).name != name or name.startswith("."):
            raise WarroomError(f"{name!r} is not a file's name")
        part = self.root / f"{name}.part"
        yield part
        part.rename(self.root / name)
        self.kinds[name] = kind

    def file(self, name: str, kind: str = "other") -> contextlib.AbstractAsyncContextManager[Path]:
        return self._file(name, kind)

    async def write(self, name: str, data: bytes, kind: str = "other") -> None:
        async with self.file(name, kind) as part:
            part.write_bytes(data)

    def counts(self, rows: Mapping[str, int]) -> None:
        self.rows.update(rows)

    def say(self, words: str) -> None:
        self.said.append(words)


def a_context(
    config: Any,
    read: ReadDoor | None = None,
    *,
    platform: str = "lab",
    clock: Clock | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Context:
    """What a plugin gets, with a door that expects nothing unless one is given."""
    return Context(
        platform=platform,
        config=config,
        read=read or FakeReadDoor(),
        clock=clock or VirtualClock(),
        secret=FakeSecrets(secrets),
    )
