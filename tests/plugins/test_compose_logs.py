"""Logs of a Compose project: each line once, whose it is, in order, through restarts and an engine that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.docker_engine import DockerEngine, private_engine
from tests.plugins.compose_projects import a_project, idle_service, web_service
from tests.plugins.compose_reading import LONG, reading
from warroom.model.signal import LogLine
from warroom_compose.events import happened
from warroom_compose.lines import Entry, Position, entries, level_of
from warroom_compose.logs import ComposeLogs
from warroom_compose.times import moment

NEEDS = pytest.mark.needs("dockerd", "compose", "docker-registry")


# ---- taking the stream apart


def frame(stream: int, text: str) -> bytes:
    data = text.encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def stamp(ns: int) -> str:
    return f"{moment(ns // 10**9 * 10**9):%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09}Z"


async def cut(data: bytes, places: Iterable[int]) -> AsyncIterator[bytes]:
    last = 0
    for place in sorted({min(place, len(data)) for place in places}):
        yield data[last:place]
        last = place
    yield data[last:]


async def taken(data: bytes, places: Iterable[int] = (), *, tty: bool = False) -> list[Entry]:
    return [entry async for entry in entries(cut(data, places), tty=tty)]


@given(st.lists(st.integers(0, 400), max_size=12))
def test_streams_are_told_apart_wherever_the_network_cuts_them(places: list[int]) -> None:
    data = frame(1, "2026-11-23T06:51:35.000000001Z out\n") + frame(2, "2026-11-23T06:51:35.9Z err: ä\n")
    data += frame(1, "2026-11-23T06:51:36Z \n") + frame(1, "2026-11-23T06:51:37Z a\x00b\x1b[2J\r\n")
    seen = asyncio.run(taken(data, places))
    base = 1795416695 * 10**9
    assert seen == [
        Entry("stdout", base + 1, "out"),
        Entry("stderr", base + 900_000_000, "err: ä"),
        Entry("stdout", base + 10**9, ""),
        Entry("stdout", base + 2 * 10**9, "a\x00b\x1b[2J"),
    ]


async def test_a_line_in_pieces_is_one_line() -> None:
    """The engine cuts a line after 16 kB, each piece with a time of its own."""
    pieces = [frame(1, f"{stamp(n)} {'x' * 16384}") for n in (1, 2)] + [frame(2, f"{stamp(3)} other\n")]
    seen = await taken(b"".join([*pieces, frame(1, f"{stamp(4)} end\n")]))
    assert seen == [Entry("stderr", 3, "other"), Entry("stdout", 1, "x" * 32768 + "end")]


async def test_an_endless_line_does_not_fill_the_memory() -> None:
    data = b"".join(frame(1, f"{stamp(n)} {'x' * 16384}") for n in range(1, 40))
    assert max(len(entry.text) for entry in await taken(data)) <= 256 * 1024


async def test_a_terminal_has_one_stream() -> None:
    data = b"2026-11-23T06:51:35Z \x01\x00\x00\x00 one\r\n2026-11-23T06:51:36Z two\r\n"
    assert [entry.text for entry in await taken(data, (5, 30), tty=True)] == ["\x01\x00\x00\x00 one", "two"]


@dataclass
class Log:
    """A container's log as the engine gives it: from a time on, in the order written."""

    lines: list[tuple[str, int, str]] = field(default_factory=list)

    def since(self, at: str | None) -> list[tuple[str, int, str]]:
        if at is None:
            return list(self.lines)
        seconds, _, rest = at.partition(".")
        begin = int(seconds) * 10**9 + int(rest)
        return [line for line in self.lines if line[1] >= begin]


@given(
    steps=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(0, 3)), max_size=40),
    skew=st.integers(0, 5),
    breaks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
)
@example(steps=[("stdout", 0), ("stderr", 0)], skew=5, breaks=[(1, 1)])
@example(steps=[("stderr", 0), ("stdout", 9), ("stderr", 0)], skew=5, breaks=[(2, 2)])
def test_a_connection_that_begins_anew_neither_loses_nor_doubles(
    steps: list[tuple[str, int]], skew: int, breaks: list[tuple[int, int]]
) -> None:
    """The streams' times go up, several lines may have the same, and one stream's are written a little behind."""
    log, now = Log(), 1_795_416_695 * 10**9
    for number, (stream, later) in enumerate(steps):
        now += later
        log.lines.append((stream, now - (skew if stream == "stderr" else 0), f"line {number}"))
    for stream in ("stdout", "stderr"):
        times = [ns for name, ns, _ in log.lines if name == stream]
        assert times == sorted(times)
    position = Position()
    seen: list[str] = []
    for there, reads in [*breaks, (len(log.lines), 10_000)]:
        part = Log(log.lines[: max(there % (len(log.lines) + 1), len(seen))])
        for stream, ns, text in part.since(position.begins())[:reads]:
            if position.take(stream, ns):
                seen.append(text)
    assert sorted(seen) == sorted(text for _, _, text in log.lines)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level": "error", "message": "x"}', "error"),
        ('{"severity": "WARNING"}', "warning"),
        ('{"level": 50, "msg": "pino"}', "error"),
        ('{"level": 30}', "info"),
        ('{"no": "level"}', "unknown"),
        ("2026-11-23 06:51:35 UTC [1] FATAL:  the database system is starting up", "error"),
        ("2026-11-23 06:51:35 [ERROR] x", "error"),
        ("level=warn msg=x", "warning"),
        ("INFO: started", "info"),
        ("no ErrorHandler here", "unknown"),
        ("{not json ERROR", "error"),
        ("", "unknown"),
        ("[" * 5000, "unknown"),
        ('{"a":' * 5000, "unknown"),
    ],
)
def test_a_lines_own_word_says_how_bad_it_is(text: str, level: str) -> None:
    assert level_of(text) == level


# ---- what the engine says happened


def event(action: str, **told: str) -> dict[str, Any]:
    attributes = {"name": "shop-web-1", "com.docker.compose.service": "web", "image": "web:v2", **told}
    return {"Type": "container", "Action": action, "Actor": {"ID": "c1", "Attributes": attributes}, "timeNano": 7}


@pytest.mark.parametrize(
    ("action", "told", "words", "level"),
    [
        ("oom", {}, "shop-web-1 had no memory left: something in it was killed for it", "error"),
        ("die", {"exitCode": "137"}, "shop-web-1 ended with exit code 137, killed", "error"),
        ("die", {"exitCode": "0"}, "shop-web-1 ended with exit code 0", "info"),
        ("health_status: unhealthy", {}, "shop-web-1 is unhealthy", "error"),
        ("start", {}, "shop-web-1 started from web:v2", "info"),
        ("destroy", {}, "shop-web-1 was removed", "info"),
    ],
)
def test_what_happens_is_said_in_words(action: str, told: dict[str, str], words: str, level: str) -> None:
    (found,) = happened(event(action, **told))
    assert (found.words, found.level, found.service, found.ns) == (words, level, "web", 7)


def test_what_is_no_containers_event_is_let_be() -> None:
    assert list(happened(event("exec_create: sh"))) == []
    assert list(happened({"Type": "network", "Action": "connect", "Actor": {}})) == []


# ---- real containers


class Followed:
    """What comes of following, gathered until something is in it."""

    def __init__(self, lines: AsyncIterator[LogLine]) -> None:
        self.lines: list[LogLine] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._gather(lines))

    async def _gather(self, lines: AsyncIterator[LogLine]) -> None:
        async for line in lines:
            self.lines.append(line)
            self._more.set()

    def texts(self, source: str) -> list[str]:
        return [line.text for line in self.lines if line.source == source]

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not happened():
                self._more.clear()
                more = asyncio.create_task(self._more.wait())
                await asyncio.wait({more, self._task}, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
                if self._task.done():
                    self._task.result()
                    raise AssertionError("following ended")

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def numbers(texts: list[str], stream: str, version: str) -> list[int]:
    return [int(text.split()[1]) for text in texts if text.startswith(f"{stream} ") and text.endswith(f" {version}")]


@NEEDS
async def test_a_new_container_in_place_of_another_is_followed(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Every line of the old one and every line of the new, each once, both streams; and what the engine says of it."""
    with a_project(docker_engine, tmp_path, {"web": web_service()}, mode="chatty") as sample:
        sample.publish("v2", "chatty")
        async with reading(sample, services={"web": {}}) as ctx:
            followed = Followed(ComposeLogs().follow(ctx))
            await followed.until(lambda: len(numbers(followed.texts("web-1"), "out", "v1")) > 3)
            sample.release("v2")
            await asyncio.to_thread(sample.up)
            await followed.until(lambda: len(numbers(followed.texts("web-1.stderr"), "err", "v2")) > 3)
            await followed.end()
    for version in ("v1", "v2"):
        for source, stream in (("web-1", "out"), ("web-1.stderr", "err")):
            seen = numbers(followed.texts(source), stream, version)
            assert seen == list(range(1, len(seen) + 1)), (version, stream)
    out = followed.texts("web-1")
    assert out.index("web v1: SIGTERM, leaving") < out.index("web v2: starting as chatty")
    assert "web v1: a warning on stderr" in followed.texts("web-1.stderr")
    assert "web v1: a warning on stderr" not in out
    assert any("ended with exit code 0" in text for text in followed.texts("docker"))
    for source in {line.source for line in followed.lines}:
        times = [line.at for line in followed.lines if line.source == source and line.at is not None]
        assert times == sorted(times), source


@NEEDS
async def test_an_engine_that_is_killed_is_followed_on_afterwards(tmp_path: Path) -> None:
    """What its containers wrote before, and what they write once it has started them anew: each line once."""
    with private_engine() as own:
        services = {"web": web_service(restart="always"), "db": idle_service("db")}
        with a_project(own, tmp_path, services, mode="chatty") as sample:
            async with reading(sample, services={"web": {}, "db": {}}, timeout=5) as ctx:
                followed = Followed(ComposeLogs().follow(ctx))
                await followed.until(lambda: len(numbers(followed.texts("web-1"), "out", "v1")) > 3)
                await asyncio.to_thread(own.down, "dockerd")
                await asyncio.to_thread(own.up, "dockerd")
                await followed.until(lambda: _runs(numbers(followed.texts("web-1"), "out", "v1"))[-1] > 1)
                await followed.until(lambda: _runs(numbers(followed.texts("web-1.stderr"), "err", "v1"))[-1] > 1)
                await followed.end()
    starts = followed.texts("web-1").count("web v1: starting as chatty")
    for source, stream in (("web-1", "out"), ("web-1.stderr", "err")):
        seen = numbers(followed.texts(source), stream, "v1")
        assert _runs(seen)[-1] == starts, source
        for run in range(1, starts + 1):
            part = [number for number, of in zip(seen, _runs(seen), strict=True) if of == run]
            assert part == list(range(1, len(part) + 1)), source


def _runs(seen: list[int]) -> list[int]:
    """Which start of the program each number belongs to: it counts from one again."""
    run, found = 0, []
    for number in seen:
        run += number == 1
        found.append(run)
    return found
