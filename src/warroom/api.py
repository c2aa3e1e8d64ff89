"""The whole contract between warroom and a plugin. A plugin imports this module and ``warroom.model``, nothing else.

An entry point in the group ``warroom.plugins`` names a ``Plugin``. Every capability is optional. A plugin never sees
the engine or the console; it gets a narrow ``Context``. Reading goes through ``ctx.read``; changing is only ever
done by the runner, which executes the Calls that ``Operation.preview`` returned, and no others.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, JsonValue

# What a plugin raises and meets belongs to the contract, so it is found here too.
from warroom.errors import BadInput as BadInput
from warroom.errors import CannotLook as CannotLook
from warroom.errors import DoorRefused as DoorRefused
from warroom.errors import ProgramFailed as ProgramFailed
from warroom.errors import ProgramMissing as ProgramMissing
from warroom.errors import StoreRefused as StoreRefused
from warroom.errors import TimedOut as TimedOut
from warroom.errors import TryLater as TryLater
from warroom.errors import Unreachable as Unreachable
from warroom.errors import WarroomError as WarroomError
from warroom.model.call import ApiCall, CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import LogLine, Sample
from warroom.model.verification import Verdict

API_VERSION = 1
T = TypeVar("T")


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware. For showing and recording."""
        ...

    def monotonic(self) -> float:
        """Seconds. For windows and timeouts: it never jumps."""
        ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Rows:
    """What a statement gave, as plain JSON: times are ISO texts, intervals seconds, numerics numbers.

    ``more``: there were more rows than were asked for. ``pooled``: a connection pooler stands before the server.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...] = ()
    more: bool = False
    pooled: bool = False
    seconds: float = 0

    def each(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Connection(Protocol):
    """One that the read door opened. Who was given it closes it."""

    socket: socket.socket
    """Connected, a stream. Over with ``close``, not by closing it."""

    def said(self) -> str:
        """What the program that carries it has said on its standard error so far, raw; empty where none does."""
        ...

    async def close(self) -> None:
        """Ends the program too. A second time does nothing."""
        ...


class ReadDoor(Protocol):
    """Everything read from outside goes through here: bounded in time and size, redacted, and in the command log."""

    async def run(
        self, argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> CallResult:
        """Runs a program that only reads. ``status`` is its exit status."""
        ...

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
        """``status`` is the HTTP status, ``data`` the reply's JSON where it is JSON.

        POST is for probes that a runbook declares. Any status is a reply; none at all raises ``Unreachable`` or
        ``TimedOut``, or ``CannotLook`` where that says nothing of the service: a name that can't be resolved, a
        certificate that this machine doesn't trust. Redirects are not followed, and an address that
        ``warroom.model.address`` refuses, after resolving, is not connected to: ``DoorRefused``.
        """
        ...

    async def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        """Lines of a long reply, as they come."""
        ...

    async def sql(
        self,
        secret: str,
        statement: str,
        *,
        timeout: float,
        parameters: Sequence[JsonValue] = (),
        names: Mapping[str, str] | None = None,
        at_most: int = 1000,
    ) -> Rows:
        """One query on PostgreSQL, in a read-only transaction that the server stops after ``timeout`` seconds.

        ``secret`` names the address, as Prisma or libpq write it. ``%s`` in the statement takes the next parameter;
        ``{table}`` takes the name under ``table``, quoted. ``StoreRefused`` with PostgreSQL's code when it says no,
        ``Unreachable`` or ``TimedOut`` when it says nothing, ``DoorRefused`` for what does not only read.
        """
        ...

    async def redis(self, secret: str, *command: str, timeout: float) -> JsonValue:
        """One command that only reads, such as ``"INFO"``: its reply as plain JSON, bytes as text.

        ``DoorRefused`` for any other command; ``StoreRefused``, ``Unreachable`` and ``TimedOut`` as with ``sql``.
        """
        ...

    async def dial(self, to: str | Sequence[str], *, timeout: float) -> Connection:
        """A connection for a protocol that the plugin speaks itself, and that it only reads with.

        ``to`` is ``unix:/PATH``, ``tcp:HOST:PORT``, or the words of a program whose standard input and output are the
        connection: one that can ask nobody anything, such as ssh in BatchMode. ``Unreachable``, ``TimedOut``,
        ``ProgramMissing``; ``DoorRefused`` for an address that ``warroom.model.address`` refuses.
        """
        ...

    async def ask(
        self, line: str, work: Coroutine[Any, Any, T], *, timeout: float, status: Callable[[T], int] | None = None
    ) -> T:
        """What ``work`` gives: one question that a plugin asks over a protocol and a connection of its own.

        ``line`` is how it would be pasted, and stands in the command log with ``status`` of what came (0 without one)
        and the time it took. ``TimedOut`` after ``timeout`` seconds; a ``WarroomError`` passes, its words cleaned.
        """
        ...


@dataclass(frozen=True)
class Context:
    """What a plugin gets at each call. ``config`` is an instance of the plugin's own ``config`` model.

    ``environment`` is the runbook's; where nobody said, it is taken for production.
    """

    platform: str
    config: Any
    read: ReadDoor
    clock: Clock
    secret: SecretResolver
    environment: Literal["production", "staging", "drill"] = "production"
    hide: Callable[[Mapping[str, str]], None] = lambda _: None
    """Tells what secrets there are: the environment of a container, by name. What its names call a secret, and
    passwords in its addresses, are redacted everywhere from then on."""
    hidden: Callable[[JsonValue], bool] = lambda _: False
    """Whether what is redacted stands in this: known secrets, what looks like one, a variable (``name``, ``value``)
    whose name says so. It may then be in no ApiCall and in no facts: a plan with such a Call is refused."""


class SecretResolver(Protocol):
    def __call__(self, name: str) -> str:
        """The value of a secret the configuration names (``env:NAME``, ``file:PATH``). Registers it for redaction.

        Raises ``WarroomError`` saying which one is missing; never shows a value.
        """
        ...


Facts = Mapping[str, JsonValue]


class Operation(Protocol):
    """One kind of change. ``args`` is a pydantic model with ``extra="forbid"``: wrong ones are refused at load time."""

    name: str
    title: str
    risk: Risk
    args: type[BaseModel]

    async def facts(self, ctx: Context, args: Any) -> Facts:
        """Reads what ``preview`` needs. No effect."""
        ...

    def preview(self, config: Any, args: Any, facts: Facts) -> Preview:
        """Pure: the exact Calls, their inverse, and the facts that are pinned."""
        ...

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """Pure: what later steps may refer to."""
        ...

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        """Read-only: is it not begun, partly done, done? ``facts`` are those the plan was made from."""
        ...


class Sender(Protocol):
    """Executes a plugin's own ApiCalls. Only the change door calls it, with a Call that was approved."""

    async def send(self, ctx: Context, call: ApiCall, say: Callable[[str], None]) -> CallResult:
        """Sends exactly this request, once, and gives what came back; any status of the server's is a reply.

        With ``until`` it asks, or watches, until that condition holds, for at most ``call.timeout_s`` seconds, and
        gives the last answer. It raises at once when the condition can't come true any more. ``say`` shows a line
        as progress. ``TimedOut`` and ``Unreachable``: whether it had an effect is not known; any other
        ``WarroomError``: it had none.
        """
        ...


@dataclass(frozen=True)
class SignalOffer:
    """``active`` True: measuring it tries what the service must refuse; False: it only looks; None: that depends on
    what it is used for. ``every`` is how often it is measured, in seconds, where that is known. Production needs leave
    (``active_probes``) for an active one, and one that doesn't say how often is refused. ``fresh_for`` is how long,
    in seconds, nothing new may come of it while all is well, where that is more than three times ``every``.
    """

    title: str
    unit: Literal["ratio", "ms", "s", "bytes", "count", "per-minute", "state"]
    active: bool | None = None
    every: float | None = None
    fresh_for: float | None = None


class Signals(Protocol):
    def offers(self, config: Any) -> Mapping[str, SignalOffer]:
        """The signals that this configuration gives, by name."""
        ...

    def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        """Samples for ever. ``Sample.signal`` is the offer's name. May raise: it is started again, with a pause."""
        ...


class Logs(Protocol):
    def follow(self, ctx: Context) -> AsyncIterator[LogLine]:
        """Lines for ever, oldest first, all sources; raw text (ingress strips it)."""
        ...


class Releases(Protocol):
    async def running(self, ctx: Context) -> Release | None:
        """What really runs, by its own word and identity; None when it can't be told."""
        ...

    async def history(self, ctx: Context) -> Sequence[Release]:
        """Newest deployed first."""
        ...

    async def resolve(self, ctx: Context, text: str) -> Release:
        """A typed version, commit or digest → a release that exists. Raises ``WarroomError`` when there is none.

        ``Unreachable`` where that can't be told here: a person may then name one as they know it.
        """
        ...

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff: ...


class Deploying(Protocol):
    async def deploying(self, ctx: Context) -> str:
        """What is being deployed just now, in words; empty when nothing is. Raises when it can't be told."""
        ...


class Folder(Protocol):
    """Where a collector puts its files: 0600, written to ``.part`` and renamed, disk space checked."""

    def file(self, name: str, kind: str = "other") -> AbstractAsyncContextManager[Path]:
        """``async with folder.file("db.dump") as part:`` – ``part`` is kept only if the block ends well.

        Text is redacted then, unless ``kind`` is ``dump``. What is no text can't be: it becomes a dump, which is left
        out of what is handed on, unless its ``kind`` is ``picture``.
        """
        ...

    async def write(self, name: str, data: bytes, kind: str = "other") -> None:
        """As ``file``, of ``data``."""
        ...

    def counts(self, rows: Mapping[str, int]) -> None:
        """Row counts by table, from the same snapshot as a dump."""
        ...


class Collector(Protocol):
    """One source of evidence. ``kinds`` are those that steps name in ``Preview.destroys``."""

    name: str
    kinds: tuple[str, ...]
    timeout_s: float

    async def collect(self, ctx: Context, folder: Folder) -> None: ...


@dataclass(frozen=True)
class Ready:
    """One readiness row: red carries the reason and the fix."""

    id: str
    title: str
    status: Literal["ready", "not-ready", "unknown"]
    words: str
    fix: str = ""


class Readiness(Protocol):
    async def ready(self, ctx: Context) -> Sequence[Ready]: ...


@dataclass(frozen=True)
class Probed:
    verdict: Verdict
    words: str
    numbers: Mapping[str, JsonValue] = field(default_factory=dict)


class Probe(Protocol):
    """A read-only question asked at verification: does this critical flow work?"""

    name: str
    args: type[BaseModel]

    async def probe(self, ctx: Context, args: Any) -> Probed: ...


class Notifier(Protocol):
    async def send(self, ctx: Context, message_id: str, text: str) -> str:
        """Sends, and returns the channel's receipt. The same ``message_id`` again is the same message.

        Raises ``Unreachable``, ``TimedOut`` or ``TryLater`` when it is worth another try, any other ``WarroomError``
        when it was refused.
        """
        ...


class Identity(Protocol):
    async def fingerprint(self, ctx: Context) -> str:
        """What makes this platform this one (cluster UID, engine ID). Raises when it can't be read."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What an entry point names. ``config`` is a pydantic model with ``extra="forbid"``.

    ``identity_lasts`` False: the identity ends with a restart of what it names, so that nobody is asked to write it
    down; it is still held against itself from an approval to the run.
    """

    name: str
    version: str
    config: type[BaseModel]
    api: int = API_VERSION
    operations: Sequence[Operation] = ()
    probes: Sequence[Probe] = ()
    collectors: Sequence[Collector] = ()
    signals: Signals | None = None
    logs: Logs | None = None
    releases: Releases | None = None
    deploying: Deploying | None = None
    readiness: Readiness | None = None
    notifier: Notifier | None = None
    sender: Sender | None = None
    identity: Identity | None = None
    identity_lasts: bool = True

    def operation(self, name: str) -> Operation | None:
        return next((o for o in self.operations if o.name == name), None)

    def probe(self, name: str) -> Probe | None:
        return next((p for p in self.probes if p.name == name), None)
