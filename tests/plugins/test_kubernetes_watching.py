"""A watch against a scripted API: nothing is lost or told twice, whatever ends it, and old news is called stale."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warroom.api import Unreachable
from warroom.engine.core import SystemClock
from warroom.testing.clock import VirtualClock
from warroom_kubernetes.reach.asking import Forbidden, Gone, LoginRefused
from warroom_kubernetes.watch.collection import PACE, Beat, Change, Pace, Watch

LONG = 60.0
QUICK = Pace(watch_s=1, grace_s=0.2, stale_s=0.3, beat_s=0.02, answer_s=0.1, again_s=0.01, longest_s=0.05)


def thing(name: str, value: int = 0, version: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": str(version)}, "value": value}


def line(kind: str, told: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": told}).encode()


def bookmark(version: int) -> bytes:
    return line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def expired() -> bytes:
    return line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})


@dataclass
class Server:
    """Holds objects and the events since each version; what it does on a watch is scripted by ``breaks``."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[int, bytes]] = field(default_factory=list)
    version: int = 1
    oldest: int = 0
    """Watches from before this version are answered with 410."""
    fails: list[BaseException] = field(default_factory=list)
    page: int = 500
    silent: bool = False
    ends_after: int | None = None
    """Events given on one watch before the connection breaks."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, name: str, value: int) -> None:
        self.version += 1
        kind = "MODIFIED" if name in self.things else "ADDED"
        self.things[name] = thing(name, value, self.version)
        self._add(line(kind, self.things[name]))

    def remove(self, name: str) -> None:
        self.version += 1
        self._add(line("DELETED", {**self.things.pop(name), "metadata": thing(name, 0, self.version)["metadata"]}))

    def _add(self, told: bytes) -> None:
        self.events.append((self.version, told))
        self.news.set()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        self.asked.append((path, dict(query or {})))
        if self.fails:
            raise self.fails.pop(0)
        if self.silent:
            await asyncio.Event().wait()
        names = sorted(self.things)
        at = int((query or {}).get("continue", 0))
        rest = {"continue": str(at + self.page)} if at + self.page < len(names) else {}
        items = [self.things[name] for name in names[at : at + self.page]]
        return {"metadata": {"resourceVersion": str(self.version), **rest}, "items": items}

    async def stream(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        self.asked.append((path, dict(query or {})))
        asked = dict(query or {})
        if self.fails:
            raise self.fails.pop(0)
        since = int(asked["resourceVersion"])
        if since < self.oldest:
            yield expired()
            return
        given = 0
        while True:
            self.news.clear()
            for version, told in list(self.events):
                if version > since:
                    if self.ends_after is not None and given >= self.ends_after:
                        return
                    since, given = version, given + 1
                    yield told
            if self.silent:
                await asyncio.Event().wait()
            if self.ends_after is not None:
                yield bookmark(since)
                return
            await self.news.wait()


@dataclass
class Told:
    """What the changes add up to, told one by one."""

    things: dict[str, int] = field(default_factory=dict)
    changes: list[Change[tuple[str, int]]] = field(default_factory=list)

    def __call__(self, change: Change[tuple[str, int]]) -> None:
        self.changes.append(change)
        assert change.old != change.new
        if change.old is not None:
            assert self.things.pop(change.old[0]) == change.old[1]
        if change.new is not None:
            assert change.new[0] not in self.things
            self.things[change.new[0]] = change.new[1]


def kept(told: Mapping[str, Any]) -> tuple[str, int] | None:
    return None if told["value"] < 0 else (told["metadata"]["name"], told["value"])


def a_watch(told: Told, pace: Pace = QUICK) -> Watch[tuple[str, int]]:
    return Watch("things", "/things", kept, SystemClock(), {"labelSelector": "app=web"}, on=told, pace=pace)


@asynccontextmanager
async def running(watch: Watch[Any] | Beat, server: Server) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run(server))
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not true():
            await asyncio.sleep(0.005)


def now(server: Server) -> dict[str, int]:
    return {name: told["value"] for name, told in server.things.items() if told["value"] >= 0}


async def test_it_lists_by_pages_and_watches_from_there() -> None:
    server, told = Server(page=2), Told()
    for number in range(5):
        server.put(f"t{number}", number)
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: watch.complete and len(server.asked) == 4)
        server.put("t1", 7)
        server.put("new", 1)
        server.remove("t2")
        server.put("t3", -1)
        await until(lambda: told.things == now(server))
    assert watch.lists == 1
    assert watch.stale() == ""
    asked = [query for _, query in server.asked]
    assert [query.get("limit") for query in asked] == ["500", "500", "500", None]
    assert all(query["labelSelector"] == "app=web" for query in asked)
    assert (asked[3]["resourceVersion"], asked[3]["allowWatchBookmarks"]) == ("6", "true")


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("The cluster can't be reached", "connection refused"),
        LoginRefused("The cluster refused it", "token expired", status=401),
        OSError("reset by peer"),
        TimeoutError(),
    ],
    ids=["away", "login", "reset", "silence"],
)
async def test_a_watch_that_fails_goes_on_where_it_was(error: BaseException) -> None:
    server, told = Server(), Told()
    server.put("a", 1)
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: watch.complete and len(server.asked) == 2)
        server.fails = [error]
        server.ends_after = 1
        server.put("a", 2)  # the watch breaks behind this one
        server.put("b", 1)
        await until(lambda: told.things == now(server) == {"a": 2, "b": 1})
    assert watch.lists == 1
    assert [change.listed for change in told.changes] == [True, False, False]


async def test_gone_is_listed_again_and_only_what_differs_is_told() -> None:
    server, told = Server(), Told()
    for name in ("same", "changes", "goes"):
        server.put(name, 1)
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: len(told.changes) == 3 and len(server.asked) == 2)
        server.ends_after = 0
        server.put("changes", 2)
        server.remove("goes")
        server.put("comes", 3)
        server.oldest = server.version
        await until(lambda: told.things == now(server))
    assert watch.lists == 2
    later = told.changes[3:]
    assert sorted((str(one.old), str(one.new)) for one in later) == [
        ("('changes', 1)", "('changes', 2)"),
        ("('goes', 1)", "None"),
        ("None", "('comes', 3)"),
    ]
    assert all(one.listed for one in later)


async def test_gone_instead_of_an_answer_is_listed_again_too() -> None:
    server, told = Server(), Told()
    server.put("a", 1)
    server.fails = [Unreachable("away", "")]
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: watch.complete and len(server.asked) >= 3)
        server.fails = [Gone("gone", "", status=410)]
        server.ends_after = 0
        server.put("a", 2)
        server.ends_after = None
        await until(lambda: told.things == {"a": 2})


async def test_a_list_that_fails_half_way_changes_nothing() -> None:
    server, told = Server(page=1), Told()
    server.put("a", 1)
    server.put("b", 1)
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: told.things == {"a": 1, "b": 1} and len(server.asked) == 3)
        server.ends_after = 0
        server.oldest = server.version + 1
        server.asked.clear()

        async def fails_later(path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
            if "continue" in (query or {}):
                server.asked.append(("failed", {}))
                raise Gone("the list's beginning is no longer kept", "", status=410)
            return await Server.get(server, path, query)

        server.get = fails_later  # type: ignore[method-assign]  # this one server's answers fail
        server.put("a", 2)
        await until(lambda: ("failed", {}) in server.asked)
        assert told.things == {"a": 1, "b": 1}


async def test_a_connection_on_which_nothing_comes_is_stale_and_given_up() -> None:
    """Half open: it stands, and neither an event nor the end that was asked for arrives."""
    server, told = Server(), Told()
    server.put("a", 1)
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: watch.complete and len(server.asked) == 2)
        server.silent = True
        server.news.set()
        await until(lambda: "nothing" in watch.stale())
        tries = len(server.asked)
        await until(lambda: len(server.asked) > tries)
        assert told.things == {"a": 1}
        server.silent = False
        server.put("a", 2)
        await until(lambda: told.things == {"a": 2} and watch.stale() == "")


async def test_what_was_never_read_is_stale_and_says_why() -> None:
    server, told = Server(), Told()
    watch = a_watch(told)
    assert watch.stale() == "things: not read yet"
    server.fails = [Forbidden("The cluster refused GET /things", "no right", status=403)] * 1000
    async with running(watch, server):
        await until(lambda: "no right" in watch.stale())


def test_silence_is_stale_by_itself() -> None:
    clock = VirtualClock()
    watch = Watch("things", "/things", kept, clock)
    watch.complete = True
    watch._hears()
    clock.tick(PACE.stale_s)
    assert watch.stale() == ""
    clock.tick(1)
    assert watch.stale() == "things: nothing heard for 6 s"


async def test_a_bookmark_alone_moves_the_version_on() -> None:
    server, told = Server(), Told()
    server.put("a", 1)
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: watch.complete and len(server.asked) == 2)
        server.version, server.ends_after, server.oldest = 90, 1, 80
        server._add(bookmark(90))
        await until(lambda: server.asked[-1][1].get("resourceVersion") == "90")
    assert watch.lists == 1


@pytest.mark.parametrize("text", [b"no json", b"[]", b"{" * 10_000], ids=["text", "array", "deep"])
async def test_what_is_no_event_is_no_end_of_the_watch(text: bytes) -> None:
    server, told = Server(), Told()
    watch = a_watch(told)
    async with running(watch, server):
        await until(lambda: watch.complete and len(server.asked) == 2)
        server._add(text)
        server.events[-1] = (server.version + 1, text)
        await until(lambda: "things" in watch.stale())
        server.events.clear()
        server.put("a", 1)
        await until(lambda: told.things == {"a": 1})


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(-1, 3)),
        st.tuples(st.sampled_from(["remove", "break", "compact", "fail", "turn"]), st.sampled_from("abc"), st.just(0)),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=30, deadline=None)
def test_whatever_happens_it_ends_with_what_there_is(steps: list[tuple[str, str, int]]) -> None:
    async def play() -> None:
        server, told = Server(), Told()
        watch = a_watch(told)
        async with running(watch, server):
            for what, name, value in steps:
                match what:
                    case "put":
                        server.put(name, value)
                    case "remove" if name in server.things:
                        server.remove(name)
                    case "break":
                        server.ends_after = value
                        server.news.set()
                    case "compact":
                        server.oldest, server.ends_after = server.version, 0
                        server.news.set()
                    case "fail":
                        server.fails.append(Unreachable("away", ""))
                    case "turn":
                        await asyncio.sleep(0)
            server.ends_after, server.oldest = 0, 0
            server.news.set()
            await asyncio.sleep(0)
            server.ends_after = None
            server.news.set()
            await until(lambda: watch.complete and not server.fails and told.things == now(server))
            assert {one[0]: one[1] for one in watch.objects.values()} == now(server)

    asyncio.run(play())


async def test_the_beat_tells_a_server_that_is_away() -> None:
    server = Server()
    beat = Beat(SystemClock(), QUICK)
    assert "not asked yet" in beat.stale()
    async with running(beat, server):
        await until(lambda: not beat.stale())
        server.silent = True
        await until(lambda: "no answer within" in beat.stale())
        server.silent = False
        await until(lambda: not beat.stale())
        server.fails = [OSError("reset")] * 1000
        await until(lambda: "reset" in beat.stale())
    assert {path for path, _ in server.asked} == {"/version"}


def test_a_server_that_no_longer_answers_is_stale_within_five_seconds() -> None:
    assert PACE.beat_s + PACE.answer_s <= 4.5  # half a second is left for the look at it
    assert PACE.watch_s < PACE.stale_s <= 5
