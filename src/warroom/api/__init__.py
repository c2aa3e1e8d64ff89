"""The whole contract between warroom and a plugin. A plugin imports this module and ``warroom.model``, nothing else.

An entry point in the group ``warroom.plugins`` names a ``Plugin``. Every capability is optional. A plugin never sees
the engine or the console; it gets a narrow ``Context``. Reading goes through ``ctx.read``; changing is only ever
done by the runner, which executes the Calls that ``Operation.preview`` returned, and no others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, JsonValue

from warroom.api.reading import Address as Address
from warroom.api.reading import Connection as Connection
from warroom.api.reading import ReadDoor as ReadDoor
from warroom.api.reading import Rows as Rows
from warroom.api.reading import Snapshot as Snapshot

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
from warroom.model.acted import Acted as Acted
from warroom.model.call import ApiCall, Call, CallResult
from warroom.model.choice import Option as Option
from warroom.model.plan import Look, Preview, Risk
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import LogLine, Sample
from warroom.model.verification import Verdict

API_VERSION = 1


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware. For showing and recording."""
        ...

    def monotonic(self) -> float:
        """Seconds. For windows and timeouts: it never jumps."""
        ...

    async def sleep(self, seconds: float) -> None: ...


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
    acted: Callable[[], Sequence[Acted]] = lambda: ()
    """What warroom has done on this platform in the incident that is open, by its journal, oldest first: also what it
    did before it was started again."""
    deployed: Callable[[], datetime | None] = lambda: None
    """When the release went out that ran when the incident was opened, as far as that is known."""
    evidence: Callable[[str], Path | None] = lambda _: None
    """The folder of what one of this platform's collectors, by its name, gave to the newest sealed evidence of the open
    incident that has something of it."""
    again: bool = False
    """The facts of a plan that is there already are read once more, for what is pinned: what is only told to people,
    and takes its time, need not be looked for."""


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

    incident: str
    """The one that it is collected in."""

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

    def say(self, words: str) -> None:
        """What is being done now, where it takes its time: shown, and not kept."""
        ...


class Collector(Protocol):
    """One source of evidence. ``kinds`` are those that steps name in ``Preview.destroys``."""

    name: str
    kinds: tuple[str, ...]
    timeout_s: float

    async def collect(self, ctx: Context, folder: Folder) -> None: ...


@dataclass(frozen=True)
class Trial:
    """How it is tried whether evidence is of use. ``calls`` change something, beside all that is used.

    ``after`` take that away again: they are made however it ends, and may be made twice. ``facts`` are for ``judge``.
    """

    words: str
    calls: tuple[Call, ...]
    after: tuple[Call, ...]
    facts: Facts = field(default_factory=dict)
    timeout_s: float = 3600


@dataclass(frozen=True)
class Ready:
    """One readiness row: red carries the reason and the fix.

    ``needed``: false where nothing is changed the less safely without it, so that nobody is told before a rollback.
    """

    id: str
    title: str
    status: Literal["ready", "not-ready", "unknown"]
    words: str
    fix: str = ""
    needed: bool = True


class Readiness(Protocol):
    async def ready(self, ctx: Context) -> Sequence[Ready]: ...


@dataclass(frozen=True)
class Probed:
    verdict: Verdict
    words: str
    numbers: Mapping[str, JsonValue] = field(default_factory=dict)


class Prover(Protocol):
    """Tries what a collector gave, in the background once it is sealed, and gives way to every plan that is run."""

    async def prepare(self, ctx: Context, folder: Path) -> Trial | None:
        """Reads what is needed. ``folder`` has the collector's files. None: there is nothing to try.

        Raises ``WarroomError``, with the reason, where it can't be tried.
        """
        ...

    async def judge(self, ctx: Context, folder: Path, trial: Trial) -> Probed:
        """Reads what came of it, after all its Calls came back as they should."""
        ...


class Probe(Protocol):
    """A read-only question asked at verification: does this critical flow work?

    Where its arguments have ``within``, in seconds, it ends by itself then; it is cut off a little later, and not
    before a minute and a half.
    """

    name: str
    args: type[BaseModel]

    async def probe(self, ctx: Context, args: Any) -> Probed: ...


class Chooser(Protocol):
    """What a person can choose from, for a procedure that needs a choice (``choices`` of the runbook)."""

    title: str

    async def options(self, ctx: Context) -> Sequence[Option]:
        """Read-only, within 10 s: what there is now, best first. Refused ones are listed too, last, with the reason.

        An empty list says that there is nothing, so it raises ``WarroomError`` where that can't be told. It is asked
        again when a plan is proposed: a ``value`` names content or a place, the same one at each asking.
        """
        ...


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


@dataclass(frozen=True)
class BackedUp:
    """A backup that lies there whole. ``at`` is when the data was so. ``notes`` are what whoever asked should know."""

    path: Path
    bytes: int
    rows: int
    at: datetime
    seconds: float
    notes: Sequence[str] = ()


class Backer(Protocol):
    async def back_up(self, ctx: Context, to: Path | None, say: Callable[[str], None]) -> BackedUp:
        """A backup with what vouches for it, in the folder ``to`` or else where the configuration says. ``say`` shows
        a line as progress.

        Raises ``WarroomError`` where there is no whole one; nothing is left of it then. Only that folder is written to.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What an entry point names. ``config`` is a pydantic model with ``extra="forbid"``; ``provers`` are by collector,
    ``choosers`` by the name that a runbook uses them by.

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
    provers: Mapping[str, Prover] = field(default_factory=dict)
    choosers: Mapping[str, Chooser] = field(default_factory=dict)
    signals: Signals | None = None
    logs: Logs | None = None
    releases: Releases | None = None
    deploying: Deploying | None = None
    readiness: Readiness | None = None
    notifier: Notifier | None = None
    sender: Sender | None = None
    identity: Identity | None = None
    identity_lasts: bool = True
    backer: Backer | None = None

    def operation(self, name: str) -> Operation | None:
        return next((o for o in self.operations if o.name == name), None)

    def probe(self, name: str) -> Probe | None:
        return next((p for p in self.probes if p.name == name), None)
