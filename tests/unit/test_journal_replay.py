"""A replay is the same door, read-only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.journals import execute
from warroom.errors import WarroomError
from warroom.journal.replay import ReplaySession
from warroom.journal.store import Journal
from warroom.model.event import Actor, Body, EngineStarted, Event, NoteAdded
from warroom.model.fold import fold_all
from warroom.model.intent import AddNote
from warroom.model.live import LogQuery, TimelinePage, TimelineQuery
from warroom.session import FRAMES, Events, Frame, Refused, Session, Snapshot
from warroom.testing.builders import an_event, an_incident, at
from warroom.testing.clock import VirtualClock

NOTES: list[Body] = [NoteAdded(text=str(number)) for number in range(499)]


def the_events(*seconds: float) -> list[Event]:
    bodies: list[Body] = [EngineStarted(pid=1, version="1"), an_incident(), *NOTES]
    return [an_event(body, seq, seconds=s) for seq, (body, s) in enumerate(zip(bodies, seconds, strict=False), 1)]


async def watched(session: Session, until: int, since: int | None = None) -> list[Frame]:
    frames: list[Frame] = []
    watching = session.watch(since)
    async for frame in watching:
        frames.append(FRAMES.validate_json(FRAMES.dump_json(frame)))
        if isinstance(frame, Events) and frame.events[-1].seq >= until:
            break
    await watching.aclose()
    return frames


async def test_a_watch_is_a_snapshot_and_then_every_event_in_order() -> None:
    events = the_events(*range(501))
    session = ReplaySession(events)
    snapshot, *rest = await watched(session, 501)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.writable, snapshot.state.seq, snapshot.runbook.service) == (False, 2, "ai-saas-app")
    told = [event for frame in rest if isinstance(frame, Events) for event in frame.events]
    assert told == events[2:]
    assert fold_all(told, snapshot.state) == fold_all(events)


async def test_a_client_goes_on_where_it_was() -> None:
    frames = await watched(ReplaySession(the_events(*range(10))), 10, since=7)
    assert [event.seq for frame in frames if isinstance(frame, Events) for event in frame.events] == [8, 9, 10]
    assert not any(isinstance(frame, Snapshot) for frame in frames)


async def test_it_stays_open_until_it_is_closed() -> None:
    session = ReplaySession(the_events(0, 1, 2))
    frames: list[Frame] = []

    async def watch() -> None:
        frames.extend([frame async for frame in session.watch()])

    watching = asyncio.create_task(watch())
    await VirtualClock().settle()
    assert not watching.done()
    await session.close()
    await watching
    assert [frame.frame for frame in frames] == ["snapshot", "events"]


@pytest.mark.parametrize(("speed", "pauses"), [(1, [1.0, 3.0, 0.0, 2.0]), (10, [0.1, 3.0, 0.0, 0.2])])
async def test_it_goes_at_its_pace_and_waits_long_for_nothing(speed: float, pauses: list[float]) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    session = ReplaySession(the_events(0, 1, 2, 3602, 2, 4), speed=speed, sleep=sleep)
    frames = await watched(session, 6)
    assert slept == pytest.approx(pauses)
    assert [len(frame.events) for frame in frames if isinstance(frame, Events)] == [1, 1, 1, 1]


async def test_closing_ends_a_pause() -> None:
    clock = VirtualClock()
    session = ReplaySession(the_events(0, 1, 2, 3), speed=1, sleep=clock.sleep)

    async def watch() -> list[Frame]:
        return [frame async for frame in session.watch()]

    watching = asyncio.create_task(watch())
    await clock.settle()
    await session.close()
    assert [frame.frame for frame in await watching] == ["snapshot"]


async def test_the_timeline_is_served_as_far_as_it_was_shown() -> None:
    clock = VirtualClock()
    session = ReplaySession(the_events(0, 1, 2, 3, 4), speed=1, sleep=clock.sleep)
    watching = session.watch()
    await anext(watching)
    page = await session.query(TimelineQuery())
    assert isinstance(page, TimelinePage)
    assert ([event.seq for event in page.events], page.total) == ([1, 2], 2)
    following = asyncio.ensure_future(anext(watching))
    await clock.advance(1)
    await following
    page = await session.query(TimelineQuery(limit=2))
    assert isinstance(page, TimelinePage)
    assert ([event.seq for event in page.events], page.total) == ([2, 3], 3)
    page = await session.query(TimelineQuery(before=3))
    assert isinstance(page, TimelinePage)
    assert [event.seq for event in page.events] == [1, 2]
    await watching.aclose()


async def test_nothing_can_be_done_or_asked_of_what_a_journal_has_not() -> None:
    session = ReplaySession(the_events(0, 1))
    assert isinstance(await session.submit("i1", AddNote(text="hello")), Refused)
    with pytest.raises(WarroomError, match="log lines"):
        await session.query(LogQuery())


async def test_a_damaged_journal_is_shown_up_to_its_first_bad_entry(tmp_path: Path) -> None:
    folder = tmp_path / "INC-0001"
    journal = Journal.create(folder, "INC-0001", now=at)
    await journal.append(Actor(name="op1"), an_incident(), *NOTES[:9])
    await journal.close()
    whole = ReplaySession(folder)
    assert (whole.trouble, len((await watched(whole, 10))[1:])) == ("", 1)
    execute(folder, "UPDATE entry SET bytes = CAST(replace(bytes, '\"3\"', '\"9\"') AS BLOB) WHERE seq = 5")
    session = ReplaySession(folder)
    assert "entry 5" in session.trouble
    frames = await watched(session, 4)
    assert [event.seq for frame in frames if isinstance(frame, Events) for event in frame.events] == [2, 3, 4]


@pytest.mark.parametrize(
    ("events", "speed"),
    [([], None), ([an_event(NoteAdded(text="x"))], None), (the_events(0, 1), 0), (the_events(0, 1), -1)],
)
def test_what_cannot_be_replayed_is_refused(events: list[Event], speed: float | None) -> None:
    with pytest.raises(WarroomError):
        ReplaySession(events, speed=speed)
