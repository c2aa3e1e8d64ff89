"""The wire: the same session on the other side of a socket pair, and what happens when that side misbehaves."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from warroom.errors import BadInput, TryLater, Unreachable, WarroomError
from warroom.model.event import NoteAdded
from warroom.model.intent import AddNote, Intent
from warroom.model.live import Busy, DiffQuery, MessagePage, MessageQuery, Page, Query
from warroom.model.state import State
from warroom.session import Accepted, Events, Frame, Live, Refused, Reply, Resync, Snapshot
from warroom.session.messages import CREDIT, LINE_LIMIT, Hello, close_writer, encode
from warroom.session.wire import JsonLinesSession, Streams, open_pair, paired, serve
from warroom.testing.builders import a_runbook, an_event, at


def a_snapshot(seq: int = 0) -> Snapshot:
    return Snapshot(version="1", me="op1", writable=True, at=at(), state=State(seq=seq), runbook=a_runbook())


def some_events(seq: int, text: str = "a note") -> Events:
    return Events(events=(an_event(NoteAdded(text=text), seq),))


def busy(words: str, key: str = "busy") -> Live:
    return Live(at=at(), values={key: Busy(words=(words,))})


class ScriptedSession:
    """Plays ``frames``, then waits for ever; answers queries and intents with what ``answer`` and ``reply`` give."""

    def __init__(self, *frames: Frame, ends: bool = False) -> None:
        self.frames = frames
        self.ends = ends
        self.watching = 0
        self.pulled = 0
        self.since: list[int | None] = []
        self.submitted: list[tuple[str, Intent]] = []
        self.answer: Callable[[Query], Page] = lambda q: MessagePage(kind="message-page", template="t", text=str(q))
        self.reply: Reply = Accepted(seq=7)
        self.hold = asyncio.Event()
        self.hold.set()
        self.cancelled = 0

    async def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        self.since.append(since)
        self.watching += 1
        try:
            for frame in self.frames:
                self.pulled += 1
                yield frame
            if not self.ends:
                await asyncio.Event().wait()
        finally:
            self.watching -= 1

    async def query(self, query: Query) -> Page:
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answer(query)

    async def submit(self, intent_id: str, intent: Intent) -> Reply:
        self.submitted.append((intent_id, intent))
        await self.hold.wait()
        return self.reply

    async def close(self) -> None:
        raise AssertionError("a client must not be able to close the engine's session")


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that must come; a test that hangs is ended by the limit."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def served(session: ScriptedSession, limit: int = LINE_LIMIT) -> AsyncIterator[Streams]:
    """A raw client's streams to a server of ``session``."""
    ours, theirs = await open_pair()
    serving = asyncio.create_task(serve(session, *theirs, limit=limit))
    try:
        yield ours
    finally:
        await close_writer(ours[1])
        async with asyncio.timeout(60):
            await serving


async def next_json(streams: Streams) -> dict[str, object]:
    async with asyncio.timeout(60):
        answer = json.loads(await streams[0].readline())
    assert isinstance(answer, dict)
    return answer


@asynccontextmanager
async def a_client() -> AsyncIterator[tuple[JsonLinesSession, Streams]]:
    """A client, and the raw streams of a server that the test plays itself; hello is exchanged."""
    ours, theirs = await open_pair()
    client = JsonLinesSession(*ours)
    theirs[1].write(encode(Hello()))
    await next_json(theirs)
    try:
        yield client, theirs
    finally:
        await client.close()
        await close_writer(theirs[1])


async def test_frames_arrive_as_they_were_sent() -> None:
    frames = (a_snapshot(), some_events(1), busy("a"), Resync(reason="too far behind"), a_snapshot(1))
    session = ScriptedSession(*frames, ends=True)
    async with paired(session) as client:
        assert [frame async for frame in client.watch(since=4)] == list(frames)
    assert session.since == [4]


async def test_several_watches_at_once() -> None:
    session = ScriptedSession(a_snapshot(), *(some_events(seq) for seq in range(1, 60)), ends=True)

    async with paired(session) as client:

        async def seqs() -> list[int]:
            return [f.events[0].seq async for f in client.watch() if isinstance(f, Events)]

        assert await asyncio.gather(*(seqs() for _ in range(5))) == [list(range(1, 60))] * 5


async def test_queries_and_intents_are_answered_each_with_its_own() -> None:
    session = ScriptedSession()
    session.answer = lambda q: MessagePage(template=q.template if isinstance(q, MessageQuery) else "", text="x")
    async with paired(session) as client:
        pages = await asyncio.gather(*(client.query(MessageQuery(template=f"t{n}")) for n in range(100)))
        assert [page.template for page in pages if isinstance(page, MessagePage)] == [f"t{n}" for n in range(100)]
        assert await client.submit("i1", AddNote(text="é ‹x› \x1b\u2028")) == Accepted(seq=7)
        session.reply = Refused(reason="not now")
        assert await client.submit("i2", AddNote(text="b")) == Refused(reason="not now")
    assert session.submitted == [("i1", AddNote(text="é ‹x› \x1b\u2028")), ("i2", AddNote(text="b"))]


@pytest.mark.parametrize(
    "error",
    [
        BadInput("There is no release x", "The history has 3.", "Pick one of them."),
        Unreachable("The lab is gone"),
        TryLater("Slow down", after_s=12.5),
        WarroomError("Something else", "A cause"),
    ],
)
async def test_the_engines_errors_cross_as_they_are(error: WarroomError) -> None:
    session = ScriptedSession()

    def fail(_: Query) -> Page:
        raise error

    session.answer = fail
    async with paired(session) as client:
        with pytest.raises(WarroomError) as caught:
            await client.query(DiffQuery(to="x"))
    assert type(caught.value) is type(error)
    assert (caught.value.title, caught.value.cause, caught.value.hint) == (error.title, error.cause, error.hint)
    assert getattr(caught.value, "after_s", None) == getattr(error, "after_s", None)


@pytest.mark.parametrize("fault", [KeyError("hunter2"), FileNotFoundError("hunter2"), ConnectionResetError("hunter2")])
async def test_a_fault_in_the_engine_is_told_without_its_text_and_ends_nothing_else(fault: Exception) -> None:
    session = ScriptedSession()

    def fail(_: Query) -> Page:
        raise fault

    ordinary, session.answer = session.answer, fail
    async with paired(session) as client:
        with pytest.raises(WarroomError, match=type(fault).__name__) as caught:
            await client.query(DiffQuery(to="x"))
        assert "hunter2" not in str(caught.value)
        session.answer = ordinary
        await client.query(DiffQuery(to="x"))


async def test_a_snapshot_far_beyond_a_streams_own_limit() -> None:
    note = "x" * 3_000_000
    async with paired(ScriptedSession(a_snapshot(), some_events(1, note), ends=True)) as client:
        frames = [frame async for frame in client.watch()]
    assert isinstance(frames[1], Events)
    body = frames[1].events[0].body
    assert isinstance(body, NoteAdded)
    assert body.text == note


async def test_what_is_too_long_to_send_is_an_error_and_not_a_broken_line() -> None:
    session = ScriptedSession()
    session.answer = lambda _: MessagePage(template="t", text="x" * 5000)
    async with served(session, limit=4000) as streams:
        streams[1].write(encode(Hello()) + b'{"do":"query","id":1,"query":{"ask":"message","template":"t"}}\n')
        assert (await next_json(streams))["do"] == "hello"
        told = await next_json(streams)
    assert (told["do"], told["id"], told["kind"]) == ("error", 1, "BadInput")
    assert "too long" in str(told["title"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xff\xfe{}\n", "json"),
        (b"not json\n", "json"),
        (b"[1,2]\n", "object"),
        (b"\n", "json"),
        (b"[" * 9_000 + b"\n", "json"),
        (b'{"do":"dance","id":"x"}\n', "dance"),
        (b'{"do":"hello","protocol":1}\n', "second hello"),
        (b"x" * 20_000 + b"\n", "more than 10,000"),
        (b"x" * 200_000, "more than 10,000"),
    ],
    ids=["bytes", "text", "list", "empty", "nested", "unknown", "hello-again", "too-long", "endless"],
)
async def test_a_malformed_line_is_named_and_ends_the_connection(line: bytes, words: str) -> None:
    async with served(ScriptedSession(), limit=10_000) as streams:
        streams[1].write(encode(Hello()) + line)
        assert (await next_json(streams))["do"] == "hello"
        told = await next_json(streams)
        assert (told["do"], told["id"]) == ("error", None)
        assert words in f"{told['title']} {told['cause']}".lower()
        assert await streams[0].read() == b""


@pytest.mark.parametrize(
    "request_",
    [
        b'{"do":"query","id":3,"query":{"ask":"everything"}}\n',
        b'{"do":"query","id":3}\n',
        b'{"do":"submit","id":3,"intent_id":"i","intent":{"type":"add-note","text":"x","extra":1}}\n',
        b'{"do":"watch","id":3,"credit":0}\n',
        b'{"do":"dance","id":3}\n',
    ],
)
async def test_a_bad_request_with_a_number_is_refused_and_the_rest_goes_on(request_: bytes) -> None:
    session = ScriptedSession()
    async with served(session) as streams:
        streams[1].write(encode(Hello()) + request_)
        assert (await next_json(streams))["do"] == "hello"
        told = await next_json(streams)
        assert (told["do"], told["id"], told["kind"]) == ("error", 3, "BadInput")
        streams[1].write(b'{"do":"query","id":4,"query":{"ask":"guards"}}\n')
        assert (await next_json(streams))["id"] == 4
    assert session.submitted == []


@pytest.mark.parametrize("hello", [b'{"do":"hello","protocol":2}\n', b'{"do":"hello","protocol":"two","new":[]}\n'])
async def test_another_protocol_is_refused_by_the_server(hello: bytes) -> None:
    async with served(ScriptedSession()) as streams:
        streams[1].write(hello)
        assert (await next_json(streams))["do"] == "hello"
        told = await next_json(streams)
        assert "different versions" in str(told["title"])
        assert await streams[0].read() == b""


@pytest.mark.parametrize("hello", [b'{"do":"hello","protocol":2}\n', b'{"do":"hello","protocol":"two","new":[]}\n'])
async def test_another_protocol_is_refused_by_the_client(hello: bytes) -> None:
    ours, theirs = await open_pair()
    client = JsonLinesSession(*ours)
    theirs[1].write(hello)
    with pytest.raises(WarroomError, match="different versions"):
        await client.submit("i1", AddNote(text="a"))
    await client.close()
    await close_writer(theirs[1])


async def test_whoever_does_not_begin_with_hello_is_refused() -> None:
    async with served(ScriptedSession()) as streams:
        streams[1].write(b'{"do":"query","id":4,"query":{"ask":"guards"}}\n')
        assert (await next_json(streams))["do"] == "hello"
        assert "must be a hello" in str((await next_json(streams))["cause"])


async def test_a_request_that_is_taken_back_at_once_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lines are there before its task has begun; what was made for it and never awaited would be warned of."""
    told: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    session = ScriptedSession()
    session.hold.clear()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "coroutine '_Connection._query' was never awaited")
        async with served(session) as streams:
            asked = b'{"do":"query","id":4,"query":{"ask":"guards"}}\n{"do":"cancel","id":4}\n'
            streams[1].write(encode(Hello()) + asked + b"nonsense\n")
            assert (await next_json(streams))["do"] == "hello"
            assert (await next_json(streams))["do"] == "error", "all before it has been read"
        gc.collect()
    assert session.cancelled == 0, "it had not begun"
    assert [str(each.exc_value) for each in told] == []


async def test_nonsense_from_the_server_fails_everything_clearly() -> None:
    async with a_client() as (client, theirs):
        query = asyncio.create_task(client.query(DiffQuery(to="x")))
        await next_json(theirs)
        theirs[1].write(b"\x00garbage\n")
        with pytest.raises(BadInput, match="not of warroom's protocol"):
            await query
        with pytest.raises(BadInput, match="not of warroom's protocol"):
            await client.submit("i", AddNote(text="a"))


@pytest.mark.parametrize("last", [b"", b'{"do":"frame","id":1,"fra'])
async def test_when_the_engine_is_gone_everything_says_so(last: bytes) -> None:
    async with a_client() as (client, theirs):
        stream = client.watch()
        watching = asyncio.create_task(anext(stream))
        query = asyncio.create_task(client.query(DiffQuery(to="x")))
        await next_json(theirs)
        await next_json(theirs)
        theirs[1].write(last)
        await close_writer(theirs[1])
        for waiting in (watching, query):
            with pytest.raises(Unreachable, match="The engine is gone"):
                await waiting
        for again in (client.submit("i", AddNote(text="a")), anext(client.watch())):
            with pytest.raises(Unreachable):
                await again


async def test_after_closing_calls_are_refused_and_watches_end() -> None:
    session = ScriptedSession(a_snapshot())
    session.hold.clear()
    async with paired(session) as client:
        stream = client.watch()
        assert isinstance(await anext(stream), Snapshot)
        query = asyncio.create_task(client.query(DiffQuery(to="x")))
        await until(lambda: session.watching == 1)
        await client.close()
        assert [frame async for frame in stream] == []
        with pytest.raises(Unreachable, match="closed"):
            await query
        with pytest.raises(Unreachable, match="closed"):
            await client.query(DiffQuery(to="x"))
        await client.close()
        await until(lambda: session.watching == 0)


async def test_a_watcher_that_stops_releases_the_servers_side() -> None:
    session = ScriptedSession(a_snapshot())
    async with paired(session) as client:
        closed, cancelled = client.watch(), client.watch()
        await anext(closed)
        await anext(cancelled)
        waiting = asyncio.create_task(anext(cancelled))
        await until(lambda: session.watching == 2)
        await closed.aclose()
        await until(lambda: session.watching == 1)
        waiting.cancel()
        await until(lambda: session.watching == 0)


async def test_a_client_that_vanishes_releases_everything() -> None:
    session = ScriptedSession(a_snapshot())
    session.hold.clear()
    ours, theirs = await open_pair()
    serving = asyncio.create_task(serve(session, *theirs))
    ours[1].write(
        encode(Hello())
        + b'{"do":"watch","id":1}\n{"do":"query","id":2,"query":{"ask":"guards"}}\n'
        + b'{"do":"submit","id":3,"intent_id":"i","intent":{"type":"verify"}}\n'
    )
    await until(lambda: session.watching == 1 and len(session.submitted) == 1)
    ours[1].transport.abort()
    async with asyncio.timeout(60):
        await serving
    assert (session.watching, session.cancelled) == (0, 1)


async def test_cancelling_a_query_cancels_it_there_and_an_intent_goes_on() -> None:
    session = ScriptedSession()
    session.hold.clear()
    async with paired(session) as client:
        query = asyncio.create_task(client.query(DiffQuery(to="x")))
        submit = asyncio.create_task(client.submit("i1", AddNote(text="a")))
        await until(lambda: bool(session.submitted))
        query.cancel()
        submit.cancel()
        await until(lambda: session.cancelled == 1)
        session.hold.set()
        assert await client.submit("i1", AddNote(text="a")) == Accepted(seq=7)


async def test_intents_find_a_place_however_many_queries_wait() -> None:
    session = ScriptedSession()
    session.hold.clear()
    async with paired(session) as client:
        queries = [asyncio.create_task(client.query(DiffQuery(to="x"))) for _ in range(200)]
        submit = asyncio.create_task(client.submit("i1", AddNote(text="a")))
        await until(lambda: bool(session.submitted))
        session.hold.set()
        assert await submit == Accepted(seq=7)
        await asyncio.gather(*queries)


async def test_a_slow_watcher_holds_the_session_back_and_gets_every_event_and_the_newest_live_value() -> None:
    total = 40 * CREDIT
    frames: list[Frame] = [a_snapshot()]
    for seq in range(1, total + 1):
        frames += [some_events(seq), busy(f"v{seq}"), busy(f"w{seq}"), busy(f"other{seq}", "k2")]
    session = ScriptedSession(*frames, ends=True)
    async with paired(session) as client:
        stream = client.watch()
        seen: list[Frame] = [await anext(stream)]
        await until(lambda: session.pulled >= CREDIT)
        for _ in range(50):
            await asyncio.sleep(0)
        assert session.pulled <= 2 * CREDIT, "nothing may be pulled beyond what the watcher has room for"
        seen += [frame async for frame in stream]
    assert [e.seq for f in seen if isinstance(f, Events) for e in f.events] == list(range(1, total + 1))
    lives = [f for f in seen if isinstance(f, Live)]
    assert len(lives) < 3 * total, "live values that wait behind each other are told once"
    values = {key: value for f in lives for key, value in f.values.items()}
    assert values == {"busy": Busy(words=(f"w{total}",)), "k2": Busy(words=(f"other{total}",))}
