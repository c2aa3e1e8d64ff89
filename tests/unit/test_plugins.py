"""Plugins: listed without being imported, loaded one at a time, and every fault of theirs turned into one red row."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from warroom.errors import BadInput, PluginBroken, TimedOut, Unreachable, WarroomError
from warroom.plugins import available, called, isolated, load, load_platforms, sentences, supervise
from warroom.testing.builders import a_runbook
from warroom.testing.clock import VirtualClock

GOOD = """
from pydantic import BaseModel, ConfigDict
from warroom.api import Plugin
print("printed while loading")
class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    retries: int = 3
plugin = Plugin(name="NAME", version="1", config=Config)
"""
BAD = {
    "raises": ("raise KeyError('hunter2')\nplugin = 1", "KeyError"),
    "exits": ("import sys\nsys.exit(3)", "SystemExit"),
    "syntax": ("def (", "SyntaxError"),
    "imports": ("import a_module_that_is_not_there", "ModuleNotFoundError"),
    "lacks": ("plug = 1", "AttributeError"),
    "cancels": ("import asyncio\nraise asyncio.CancelledError", "cancelled itself"),
    "base": ("raise type('Odd', (BaseException,), {})('x\\x1b[2J')", "Odd: x␛[2J"),
    "wrong-type": ("plugin = {}", "not dict"),
    "old-api": (GOOD.replace('version="1"', 'version="1", api=0'), "version 0 of the plugin interface"),
    "other-name": (GOOD.replace("NAME", "somebody-else"), "'somebody-else'"),
    "no-model": (GOOD.replace("config=Config", "config=dict"), "not a pydantic model"),
    "lenient": (GOOD.replace('"forbid"', '"allow"'), "refuse unknown keys"),
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``install(name, source)`` makes a distribution that offers the plugin, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, source: str, distribution: str | None = None) -> None:
        module = f"plug_{abs(hash((name, source, str(tmp_path))))}"
        (tmp_path / f"{module}.py").write_text(source.replace("NAME", name))
        info = tmp_path / f"{(distribution or name).replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution or name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[warroom.plugins]\n{name} = {module}:plugin\n")

    return make


def test_listing_names_them_all_and_imports_none(install: Callable[..., None]) -> None:
    install("zebra", "raise SystemExit")
    install("ant", GOOD, "ant-dist")
    before = set(sys.modules)
    found = [f for f in available() if f.name in ("zebra", "ant")]
    assert [(f.name, f.distribution) for f in found] == [("ant", "ant-dist"), ("zebra", "zebra")]
    assert all(f.value.endswith(":plugin") for f in found)
    assert not {m for m in set(sys.modules) - before if m.startswith("plug_")}


def test_a_good_plugin_loads_and_what_it_prints_is_not_shown(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("good", GOOD)
    assert load("good").name == "good"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("fault", BAD)
def test_a_broken_plugin_is_an_error_with_its_cause(install: Callable[..., None], fault: str) -> None:
    source, words = BAD[fault]
    install(fault, source)
    with pytest.raises(PluginBroken) as caught:
        load(fault)
    assert fault in caught.value.title
    assert words in caught.value.cause
    assert caught.value.hint


def test_a_plugin_that_is_not_there(install: Callable[..., None]) -> None:
    install("ant", GOOD)
    with pytest.raises(PluginBroken, match=r"There is no plugin aunt.*ant"):
        load("aunt")


def test_two_plugins_of_one_name_are_refused(install: Callable[..., None]) -> None:
    install("twin", GOOD, "one")
    install("twin", GOOD + "\n", "two")
    with pytest.raises(PluginBroken, match="There are 2 plugins named twin"):
        load("twin")


def test_ctrl_c_while_loading_is_the_persons() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        called("x", interrupted)


def test_platforms_each_succeed_or_fail_alone(install: Callable[..., None]) -> None:
    install("good", GOOD)
    install("broken", "1/0")
    platforms = {
        "fine": {"plugin": "good", "config": {"url": "http://x"}},
        "wrong": {"plugin": "good", "config": {"url": 5, "retries": "many", "pasword": "hunter2"}},
        "empty": {"plugin": "good"},
        "broken": {"plugin": "broken"},
        "absent": {"plugin": "nobody"},
    }
    loaded = load_platforms(a_runbook(platforms=platforms))
    assert list(loaded) == list(platforms)
    fine = loaded["fine"]
    assert fine.problem is None
    assert fine.plugin is not None
    assert fine.config is not None
    assert fine.config.model_dump() == {"url": "http://x", "retries": 3}
    wrong = loaded["wrong"].problem
    assert isinstance(wrong, BadInput)
    assert wrong.cause == (
        "url: a text was expected, found a number; retries: a whole number was expected, found a text; "
        "pasword: is not a key it knows"
    )
    assert wrong.hint == "The plugin good takes: url, retries."
    assert loaded["wrong"].config is None
    empty = loaded["empty"].problem
    assert empty is not None
    assert empty.cause == "url: is missing"
    for name, words in (("broken", "ZeroDivisionError"), ("absent", "Installed are")):
        problem = loaded[name].problem
        assert isinstance(problem, PluginBroken)
        assert words in problem.cause
        assert loaded[name].plugin is None


def test_a_config_model_that_raises_something_odd_is_a_broken_plugin(install: Callable[..., None]) -> None:
    source = GOOD.replace(
        "    retries", "    def model_post_init(self, _):\n        raise RuntimeError('odd')\n    retries"
    )
    install("odd", source)
    problem = load_platforms(a_runbook(platforms={"p": {"plugin": "odd", "config": {"url": "x"}}}))["p"].problem
    assert isinstance(problem, PluginBroken)
    assert "RuntimeError: odd" in problem.cause


def test_sentences_show_no_value_that_was_given() -> None:
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")
        secret: str
        mode: str

        @field_validator("mode")
        @classmethod
        def _known(cls, value: str) -> str:
            raise ValueError("Fast or slow was expected")

    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"secret": ["hunter2"], "mode": "hunter2", "hunter3\x1b": 1})
    told = sentences(caught.value)
    assert told == [
        "secret: a text was expected, found a list",
        "mode: fast or slow was expected (found a text)",
        "hunter3␛: is not a key it knows",
    ]


async def test_what_a_plugin_raises_becomes_plugin_broken_and_its_own_errors_pass() -> None:
    async def give(value: int) -> int:
        return value

    async def fail(error: BaseException) -> int:
        raise error

    assert await isolated("lab", give(3)) == 3
    for error, words in (
        (KeyError("x"), "KeyError: 'x'"),
        (TimeoutError(), "TimeoutError"),
        (SystemExit(2), "SystemExit: 2"),
        (asyncio.CancelledError(), "cancelled itself"),
        (ValueError("password=hunter2 \x1b[2J" + "x" * 1000), "ValueError: password=‹redacted: password› ␛[2J"),
    ):
        with pytest.raises(PluginBroken, match="lab failed") as caught:
            await isolated("lab", fail(error))
        assert words in caught.value.cause
        assert len(caught.value.cause) < 400
    with pytest.raises(Unreachable, match="gone"):
        await isolated("lab", fail(Unreachable("The lab is gone")))


async def test_a_plugin_that_takes_too_long_is_cancelled_and_named() -> None:
    ended = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimedOut, match=r"lab did not answer.*0\.01 s"):
        await isolated("lab", hang(), timeout=0.01)
    assert ended.is_set()


async def test_cancelling_the_caller_is_a_cancel_and_not_a_fault() -> None:
    task = asyncio.create_task(isolated("lab", asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Streams:
    """Starts of a scripted stream: each gives its items, then raises, ends, or (None) goes on for ever."""

    def __init__(self, *scripts: tuple[list[Any], BaseException | str | None]) -> None:
        self.scripts = list(scripts)
        self.open = 0

    def start(self) -> AsyncIterator[int]:
        items, end = self.scripts.pop(0)
        if end == "at start":
            raise OSError("refused")
        return self._stream(items, end)

    async def _stream(self, items: list[Any], end: BaseException | str | None) -> AsyncIterator[int]:
        self.open += 1
        try:
            for item in items:
                yield item
            if isinstance(end, BaseException):
                raise end
            if end is None:
                await asyncio.Event().wait()
        finally:
            self.open -= 1


async def test_a_stream_is_started_again_after_every_kind_of_failure() -> None:
    clock, failures = VirtualClock(), list[tuple[WarroomError, float]]()
    streams = Streams(
        *(([1], KeyError("x")), ([2], "ends"), ([], "at start")),
        *(([3, "four"], None), ([5], Unreachable("gone")), ([6], None)),
    )
    seen: list[int] = []

    async def collect() -> None:
        stream = supervise(
            "lab", streams.start, of=int, clock=clock, failed=lambda e, p: failures.append((e, p)), longest_pause=5
        )
        async for item in stream:
            seen.append(item)

    task = asyncio.create_task(collect())
    await clock.advance(0.5)
    assert seen == [1], "nothing is started again before its pause is over"
    await clock.advance(30)
    assert seen == [1, 2, 3, 5, 6]
    assert [pause for _, pause in failures] == [1, 2, 4, 5, 5]
    causes = [str(error) for error, _ in failures]
    for cause, words in zip(
        causes, ["KeyError", "ended", "OSError: refused", "int was expected, not str", "gone"], strict=True
    ):
        assert words in cause
    assert streams.open == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert streams.open == 0


async def test_pauses_begin_anew_after_a_stream_that_lived_long() -> None:
    clock, pauses = VirtualClock(), list[float]()
    lives = [0.0, 0.0, 100.0, 0.0]

    async def stream() -> AsyncIterator[int]:
        await clock.sleep(lives.pop(0) if lives else 1e9)
        for never in range(0):
            yield never
        raise OSError

    async def run() -> None:
        async for _ in supervise("lab", stream, of=int, clock=clock, failed=lambda _, p: pauses.append(p)):
            raise AssertionError("it never yields")

    task = asyncio.create_task(run())
    await clock.advance(1000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pauses == [1, 2, 1, 2]


async def test_closing_ends_the_plugins_stream_even_when_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    closed = False

    async def stubborn() -> AsyncIterator[int]:
        nonlocal closed
        try:
            yield 1
        finally:
            closed = True
            raise KeyError("while closing")

    failures: list[WarroomError] = []
    stream = supervise("lab", stubborn, of=int, clock=VirtualClock(), failed=lambda e, _: failures.append(e))
    assert await anext(stream) == 1
    await stream.aclose()
    assert closed
    assert failures == []
    assert "while it was closed" in caplog.text
