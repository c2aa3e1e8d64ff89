"""The one door between the engine and its clients. JSON types only.

Three implementations: in process (``warroom.engine``), a replay of a journal (``warroom.journal``), and JSON lines over
a pair of sockets (``warroom.session.wire``). A console cannot tell which one it has, but by ``Snapshot.writable``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Literal, Protocol

from pydantic import Field, TypeAdapter

from warroom.model.base import Fact, Instant
from warroom.model.event import Event
from warroom.model.intent import Intent
from warroom.model.live import LiveValue, Page, Query
from warroom.model.runbook import Runbook
from warroom.model.state import State

PROTOCOL = 1


class Snapshot(Fact):
    """The first frame of a watch, and the first after ``Resync``. ``me`` is who the engine takes this client for."""

    frame: Literal["snapshot"] = "snapshot"
    protocol: int = PROTOCOL
    version: str
    me: str
    writable: bool
    at: Instant
    state: State
    runbook: Runbook


class Events(Fact):
    """Durable events in order of ``seq``, none dropped."""

    frame: Literal["events"] = "events"
    events: tuple[Event, ...] = Field(min_length=1)


class Live(Fact):
    """The newest value of each key that changed since the last Live frame; at most four frames a second."""

    frame: Literal["live"] = "live"
    at: Instant
    values: dict[str, LiveValue]


class Resync(Fact):
    """This client fell too far behind, or another incident was opened: throw the state away, a Snapshot follows."""

    frame: Literal["resync"] = "resync"
    reason: str


Frame = Annotated[Snapshot | Events | Live | Resync, Field(discriminator="frame")]
FRAMES: TypeAdapter[Frame] = TypeAdapter(Frame)


class Accepted(Fact):
    """``seq`` is the journal's last entry when the intent was taken; the work itself may still be going on."""

    reply: Literal["accepted"] = "accepted"
    seq: int
    words: str = ""


class Refused(Fact):
    """``reason`` is a sentence for a person: why not, and what to do about it.

    ``helps`` is the type of the intent that would ("choose-target"), or empty: each client knows its own way to it.
    """

    reply: Literal["refused"] = "refused"
    reason: str
    helps: str = ""


Reply = Annotated[Accepted | Refused, Field(discriminator="reply")]
REPLIES: TypeAdapter[Reply] = TypeAdapter(Reply)
PAGES: TypeAdapter[Page] = TypeAdapter(Page)
QUERIES: TypeAdapter[Query] = TypeAdapter(Query)


class Session(Protocol):
    def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        """Snapshot (unless ``since`` is a seq this client has already folded up to), then Events and Live."""
        ...

    async def query(self, query: Query) -> Page:
        """Reads what is large. Raises ``WarroomError`` where it can't be read."""
        ...

    async def submit(self, intent_id: str, intent: Intent) -> Reply:
        """Answers without waiting for the work. The same ``intent_id`` again gets the first answer."""
        ...

    async def close(self) -> None: ...
