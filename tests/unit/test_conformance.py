"""The conformance suite: a good plugin passes, and each way of being wrong is found by its own rule."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, JsonValue

from warroom.api import BackedUp, Context, Folder, Option, Plugin, Probed, Ready, SignalOffer
from warroom.errors import BadInput
from warroom.model.base import Fact
from warroom.model.call import ApiCall, CallResult, HttpCall, ProcessCall, Ref, Secret
from warroom.model.plan import Look, Preview, Risk
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import LogLine, Sample
from warroom.testing.builders import a_call, a_release, an_api_call, an_http_call, at
from warroom.testing.clock import VirtualClock
from warroom.testing.conformance import (
    Case,
    NonConformance,
    assert_executed,
    assert_shape,
    check_plugin,
)
from warroom.testing.fakes import FakeReadDoor, a_context

NEWER, OLDER = a_release("v2", deployed_at=at(-10)), a_release("v1", deployed_at=at(-100))


class Config(Fact):
    password: str = "env:PASSWORD"


class NoArgs(Fact):
    pass


class RestartArgs(Fact):
    name: str


class GoodRestart:
    """An operation on a made-up platform; tests replace one part of it at a time."""

    name = "restart"
    title = "Restart a service"
    risk: Risk = "disruptive"
    args: type[BaseModel] = RestartArgs

    async def facts(self, ctx: Context, args: Any) -> Mapping[str, JsonValue]:
        ctx.secret(ctx.config.password)
        done = await ctx.read.run(["svc", "show", "--", args.name], timeout=5)
        return {"pid": done.text}

    def preview(self, config: Any, args: Any, facts: Mapping[str, JsonValue]) -> Preview:
        call = ProcessCall(
            argv=("svc", "restart", f"--pid={facts['pid']}", "--", args.name),
            env={"PASSWORD": Secret(secret=config.password)},
        )
        return Preview(calls=(call,), no_inverse="a restart has nothing to take back", expected_s=2)

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: Any, facts: Mapping[str, JsonValue]) -> Look:
        return Look(verdict="not-begun", seen="it runs since Tuesday")


class GoodProbe:
    name = "alive"
    args: type[BaseModel] = NoArgs

    async def probe(self, ctx: Context, args: Any) -> Probed:
        return Probed("pass", "it answered", {"ms": 3.5})


class GoodCollector:
    name = "state"
    kinds: tuple[str, ...] = ("config",)
    timeout_s = 5.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await folder.write("state.json", b"{}", kind="config")


class GoodSignals:
    def offers(self, config: Any) -> Mapping[str, SignalOffer]:
        return {"errors": SignalOffer("5xx", "ratio"), "up": SignalOffer("up", "state")}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        for seconds in itertools.count(-100):
            yield Sample(signal="errors", value=0.5, count=3, at=at(seconds))
            yield Sample(signal="up", value=None, at=at(seconds))


class GoodLogs:
    async def follow(self, ctx: Context) -> AsyncIterator[LogLine]:
        for seconds in itertools.count(-100):
            yield LogLine(source="web", text="a line", at=at(seconds))


class GoodReleases:
    async def running(self, ctx: Context) -> Release | None:
        return NEWER

    async def history(self, ctx: Context) -> Sequence[Release]:
        return [NEWER, OLDER]

    async def resolve(self, ctx: Context, text: str) -> Release:
        for release in (NEWER, OLDER):
            if release.version == text:
                return release
        raise BadInput(f"There is no release {text!r}")

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        return ReleaseDiff(older=older.version, newer=newer.version)


class GoodReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        return [Ready("disk", "Disk", "ready", "9 GB free"), Ready("tag", "Tag", "not-ready", "gone", "push it")]


class GoodChooser:
    title = "The service to restart"

    async def options(self, ctx: Context) -> Sequence[Option]:
        return [Option(value="web", title="web"), Option(value="db", title="db", words="it is old", verdict="refused")]


class GoodIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        return "engine-0001"


def a_plugin(**changes: Any) -> Plugin:
    parts: dict[str, Any] = {
        "name": "made-up",
        "version": "1",
        "config": Config,
        "operations": (GoodRestart(),),
        "probes": (GoodProbe(),),
        "collectors": (GoodCollector(),),
        "signals": GoodSignals(),
        "logs": GoodLogs(),
        "releases": GoodReleases(),
        "readiness": GoodReadiness(),
        "choosers": {"services": GoodChooser()},
        "identity": GoodIdentity(),
    }
    return Plugin(**{**parts, **changes})


def with_part(part: object, **changes: Any) -> Any:
    """An instance of the part's class with some of its methods or attributes replaced."""
    return type(type(part).__name__, (type(part),), changes)()


async def try_on(plugin: Plugin, root: Path, **changes: Any) -> None:
    door = FakeReadDoor().on_run(["svc", "show", "--", "web"], "17", times=None)
    ctx = a_context(Config(), door, clock=VirtualClock(), secrets={"env:PASSWORD": "hunter2hunter2"})
    given: dict[str, Any] = {"cases": [Case("restart", {"name": "web"})], "probes": {"alive": [{}]}, "folder": root}
    await check_plugin(plugin, ctx, **{"patience": 0.5, **given, **changes})


async def test_a_good_plugin_passes(tmp_path: Path) -> None:
    await try_on(a_plugin(), tmp_path)
    assert_shape(a_plugin())


class Lenient(BaseModel):
    name: str = ""


class Nested(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Lenient = Lenient()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"api": 0}, "version 1 of the interface"),
        ({"name": "Made Up"}, "grammar"),
        ({"name": "-x"}, "grammar"),
        ({"version": " "}, "say its version"),
        ({"config": Lenient}, "unknown keys must be refused"),
        ({"config": Nested}, "unknown keys must be refused"),
        ({"config": dict}, "pydantic model"),
        ({"operations": (GoodRestart(), GoodRestart())}, "name of its own"),
        ({"operations": (with_part(GoodRestart(), name="Restart!"),)}, "grammar"),
        ({"operations": (with_part(GoodRestart(), title=""),)}, "a title"),
        ({"operations": (with_part(GoodRestart(), risk="mild"),)}, "risk must be known"),
        ({"operations": (with_part(GoodRestart(), args=Lenient),)}, "unknown keys must be refused"),
        ({"probes": (with_part(GoodProbe(), args=Lenient),)}, "unknown keys must be refused"),
        ({"choosers": {"a b": GoodChooser()}}, "grammar"),
        ({"choosers": {"s": with_part(GoodChooser(), title=" ")}}, "a title"),
        ({"collectors": (with_part(GoodCollector(), timeout_s=0),)}, "more than nothing"),
        ({"collectors": (with_part(GoodCollector(), kinds=("a b",)),)}, "kinds must be names"),
    ],
)
def test_a_wrong_shape_is_found(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(NonConformance, match=rule):
        assert_shape(a_plugin(**changes))


def preview_with(**changes: Any) -> Any:
    good = GoodRestart()

    def preview(self: Any, config: Any, args: Any, facts: Any) -> Preview:
        return good.preview(config, args, facts).model_copy(update=changes)

    return with_part(good, preview=preview)


def previewing(effect: Callable[[], object]) -> Any:
    """An operation whose preview does something; it swallows what that raises."""
    good = GoodRestart()

    def preview(self: Any, config: Any, args: Any, facts: Any) -> Preview:
        with contextlib.suppress(RuntimeError):
            effect()
        return good.preview(config, args, facts)

    return with_part(good, preview=preview)


def checking(effect: Callable[[], object]) -> Any:
    async def check(self: Any, ctx: Context, args: Any, facts: Any) -> Look:
        effect()
        return Look(verdict="done", seen="x")

    return with_part(GoodRestart(), check=check)


def _spawn() -> object:
    return subprocess.run([sys.executable, "-V"], check=False)


def _write() -> object:
    return Path("conformance-canary").write_text("x")


def _connect() -> object:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", 9))


def _mutates(self: Any, config: Any, args: Any, facts: Any) -> Preview:
    facts["more"] = 1
    return GoodRestart().preview(config, args, facts)


def _random(self: Any, config: Any, args: Any, facts: Any) -> Preview:
    return Preview(calls=(a_call(str(random.random())),), no_inverse="none")


def _reads_open(self: Any, config: Any, args: Any, facts: Any) -> Preview:
    with open("/etc/hostname"):
        return GoodRestart().preview(config, args, facts)


def _plain_argv(self: Any, config: Any, args: Any, facts: Any) -> Preview:
    return Preview(calls=(a_call("svc", "restart", args.name),), no_inverse="none")


def _leaks(self: Any, config: Any, args: Any, facts: Any) -> Preview:
    return Preview(calls=(a_call("svc", "--password=hunter2hunter2"),), no_inverse="none")


async def _facts_leak(self: Any, ctx: Context, args: Any) -> Mapping[str, JsonValue]:
    return {"pid": "1", "password": ctx.secret(ctx.config.password)}


async def _reads_leak(self: Any, ctx: Context, args: Any) -> Mapping[str, JsonValue]:
    with pytest.raises(AssertionError):
        await ctx.read.run(["svc", "-p", ctx.secret(ctx.config.password)], timeout=1)
    return {"pid": "1"}


async def _reads_hostile(self: Any, ctx: Context, args: Any) -> Mapping[str, JsonValue]:
    if args.name != "web":
        await ctx.read.run(["svc", "show", args.name], timeout=1)
    return {"pid": "1"}


async def _bad_facts(self: Any, ctx: Context, args: Any) -> Mapping[str, Any]:
    return {"pid": float("nan")}


async def _no_look(self: Any, ctx: Context, args: Any, facts: Any) -> Any:
    return True


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        (preview_with(no_inverse=""), "say why there is none"),
        (preview_with(inverse=()), "an inverse must have Calls"),
        (preview_with(expected_s=1000.0), "outlast its timeout"),
        (with_part(GoodRestart(), risk="destructive"), "name what it destroys"),
        (with_part(GoodRestart(), preview=lambda *_: {}), "must return a Preview"),
        (with_part(GoodRestart(), preview=lambda *_: 1 / 0), "raise nothing but WarroomError .ZeroDivisionError"),
        (with_part(GoodRestart(), preview=_mutates), "leave its arguments and facts"),
        (with_part(GoodRestart(), preview=_random), "the same preview"),
        (with_part(GoodRestart(), preview=_reads_open), "nothing but read through the read door .open /etc/hostname"),
        (previewing(_spawn), "nothing but read through the read door .subprocess"),
        (previewing(_connect), "nothing but read through the read door .socket"),
        (checking(_spawn), "check: it may do nothing but read .*subprocess"),
        (checking(_write), "check: it may do nothing but read .*conformance-canary"),
        (checking(lambda: os.mkdir("conformance-canary")), "check: it may do nothing but read .*mkdir"),
        (with_part(GoodRestart(), preview=_plain_argv), "begins with '-' may reach an argv"),
        (with_part(GoodRestart(), facts=_reads_hostile), "begins with '-' may reach an argv"),
        (with_part(GoodRestart(), preview=_leaks), "may not stand in a preview"),
        (with_part(GoodRestart(), facts=_facts_leak), "may not stand in a preview or in facts"),
        (with_part(GoodRestart(), facts=_reads_leak), "may not stand in an argv"),
        (with_part(GoodRestart(), facts=_bad_facts), "facts must be JSON"),
        (with_part(GoodRestart(), check=_no_look), "must return a Look"),
    ],
)
async def test_a_wrong_operation_is_found(
    operation: Any, rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NonConformance, match=rule):
        await try_on(a_plugin(operations=(operation,)), tmp_path)
    assert not Path("conformance-canary").exists(), "a forbidden effect is stopped, not only seen"


def samples_of(**changes: Any) -> Any:
    async def samples(self: Any, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Any]:
        yield Sample(**{"signal": "errors", "value": 0.5, "at": at(-1), **changes})

    return with_part(GoodSignals(), samples=samples)


async def _no_samples(self: Any, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Any]:
    for never in range(0):
        yield never


async def _numbers(self: Any, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Any]:
    yield 0.5


def lines_of(*lines: Any) -> Any:
    async def follow(self: Any, ctx: Context) -> AsyncIterator[Any]:
        for line in lines:
            yield line

    return with_part(GoodLogs(), follow=follow)


def giving(part: object, method: str, value: object) -> Any:
    """The part with an async method that returns, or raises, ``value``."""

    async def give(self: Any, *_: Any) -> object:
        if isinstance(value, BaseException):
            raise value
        return value

    return with_part(part, **{method: give})


async def _stray(self: Any, ctx: Context, folder: Folder) -> None:
    Path("conformance-canary").write_text("x")


async def _around(self: Any, ctx: Context, folder: Folder) -> None:
    async with folder.file("state.json", kind="config") as part:
        part.write_text("x")
        (part.parent / "unlisted").write_text("x")


async def _removing(self: Any, ctx: Context, folder: Folder) -> None:
    """By an open folder: the name alone looks like one in its own."""
    await folder.write("state.json", b"{}", kind="config")
    async with folder.file("b", kind="config") as part:
        (part.parent.parent / "kept").mkdir()
        outside = os.open(part.parent.parent, os.O_RDONLY)
    try:
        os.rmdir("kept", dir_fd=outside)
    finally:
        os.close(outside)


async def _moving(self: Any, ctx: Context, folder: Folder) -> None:
    async with folder.file("state.json", kind="config") as part:
        os.rename(part, part.parent.parent / "moved")


async def _tidy(self: Any, ctx: Context, folder: Folder) -> None:
    async with folder.file("state.json", kind="config") as part:
        (part.parent / "own" / "deep").mkdir(parents=True)
        shutil.rmtree(part.parent / "own")
        part.write_text("x")


_TURNS = itertools.count()


async def _changing(self: Any, ctx: Context) -> Sequence[Option]:
    return [Option(value=f"web-{next(_TURNS)}", title="web")]


UNSAID = Option(value="a", title="a", verdict="doubtful")


async def _turning(self: Any, ctx: Context) -> str:
    return f"engine-{next(_TURNS)}"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"signals": samples_of(signal="others")}, "the name of an offer"),
        ({"signals": samples_of(value=1.5)}, "between 0 and 1"),
        ({"signals": samples_of(value=-0.5)}, "between 0 and 1"),
        ({"signals": samples_of(signal="up", value=0.5)}, "must be 0 or 1"),
        ({"signals": samples_of(count=-1)}, "count may not be negative"),
        ({"signals": samples_of(at=at(3600))}, "from the future"),
        ({"signals": with_part(GoodSignals(), samples=_no_samples)}, "samples must come"),
        ({"signals": with_part(GoodSignals(), samples=_numbers)}, "type Sample"),
        ({"logs": lines_of("plain")}, "type LogLine"),
        ({"logs": lines_of(LogLine(source=" ", text="x"))}, "say its source"),
        ({"logs": lines_of(LogLine(source="web", text="x\ny"))}, "one line"),
        ({"logs": lines_of(*(LogLine(source="w", text="x", at=at(n)) for n in (0, -1)))}, "oldest first"),
        ({"logs": lines_of()}, "lines must come"),
        ({"releases": giving(GoodReleases(), "running", "v1")}, "a Release or None"),
        ({"releases": giving(GoodReleases(), "history", [OLDER, NEWER])}, "newest first"),
        ({"releases": giving(GoodReleases(), "resolve", NEWER)}, "what is not there must be refused"),
        ({"releases": giving(GoodReleases(), "resolve", KeyError("x"))}, "nothing but WarroomError .KeyError"),
        ({"releases": giving(GoodReleases(), "diff", None)}, "must return a ReleaseDiff"),
        ({"readiness": giving(GoodReadiness(), "ready", [])}, "something to say"),
        ({"readiness": giving(GoodReadiness(), "ready", [Ready("a", "A", "not-ready", "no")])}, "say the fix"),
        ({"readiness": giving(GoodReadiness(), "ready", [Ready("a", "A", "ready", "")])}, "what it found"),
        ({"readiness": giving(GoodReadiness(), "ready", [Ready("a", "A", "ready", "x")] * 2)}, "id of its own"),
        ({"choosers": {"s": giving(GoodChooser(), "options", ["web"])}}, "type Option"),
        ({"choosers": {"s": giving(GoodChooser(), "options", [Option(value="a", title="a")] * 2)}}, "value of its own"),
        ({"choosers": {"s": giving(GoodChooser(), "options", [UNSAID])}}, "must say why"),
        ({"choosers": {"s": giving(GoodChooser(), "options", ValueError("x"))}}, "nothing but WarroomError"),
        ({"choosers": {"s": with_part(GoodChooser(), options=_changing)}}, "same values at each asking"),
        ({"identity": with_part(GoodIdentity(), fingerprint=_turning)}, "same twice"),
        ({"identity": giving(GoodIdentity(), "fingerprint", "")}, "say something"),
        ({"probes": (giving(GoodProbe(), "probe", True),)}, "must return Probed"),
        ({"probes": (giving(GoodProbe(), "probe", Probed("pass", "")),)}, "a verdict in words"),
        ({"probes": (giving(GoodProbe(), "probe", Probed("pass", "x", {"n": float("nan")})),)}, "numbers must be JSON"),
        ({"probes": (giving(GoodProbe(), "probe", TimeoutError()),)}, "answer in time"),
        ({"probes": (giving(GoodProbe(), "probe", BadInput("no")),)}, "must work on the platform"),
        ({"collectors": (giving(GoodCollector(), "collect", None),)}, "collect something"),
        ({"collectors": (with_part(GoodCollector(), kinds=("config", "dump")),)}, "every kind that it names .*dump"),
        ({"collectors": (with_part(GoodCollector(), collect=_stray),)}, "write in its folder only"),
        ({"collectors": (with_part(GoodCollector(), collect=_removing),)}, "write in its folder only"),
        ({"collectors": (with_part(GoodCollector(), collect=_moving),)}, "write in its folder only"),
        ({"collectors": (with_part(GoodCollector(), collect=_around),)}, "made through the folder .*unlisted"),
    ],
)
async def test_a_wrong_capability_is_found(
    changes: dict[str, Any], rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NonConformance, match=rule):
        await try_on(a_plugin(**changes), tmp_path, patience=0.05)


async def test_a_collector_may_take_away_what_it_made_in_its_folder(tmp_path: Path) -> None:
    await try_on(a_plugin(collectors=(with_part(GoodCollector(), collect=_tidy),)), tmp_path)


@pytest.mark.parametrize("left_out", [{"cases": ()}, {"probes": {}}, {"folder": None}])
async def test_what_is_not_tried_is_found_too(left_out: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(NonConformance, match="it must be tried"):
        await try_on(a_plugin(), tmp_path, **left_out)


async def test_everything_found_is_told_at_once(tmp_path: Path) -> None:
    plugin = a_plugin(signals=samples_of(value=7.0), identity=giving(GoodIdentity(), "fingerprint", ""))
    with pytest.raises(NonConformance) as caught:
        await try_on(plugin, tmp_path, patience=0.05)
    assert [finding.where for finding in caught.value.findings] == ["signals errors", "identity"]


def test_what_was_executed_is_compared_with_what_was_previewed() -> None:
    shown = (an_http_call("http://x/", digest=Ref(step="pull", output="digest")), a_call("a", "b"))
    bound = an_http_call("http://x/", digest="sha256:1")
    assert_executed(shown, (bound, a_call("a", "b")))
    for executed, rule in (
        ((bound,), "no other"),
        ((bound, a_call("a", "b"), a_call("c")), "no other"),
        ((bound, a_call("a", "c")), "what is executed must be what was previewed"),
        ((replace_url(bound), a_call("a", "b")), "what is executed must be what was previewed"),
        ((a_call("a", "b"), bound), "what is executed must be what was previewed"),
    ):
        with pytest.raises(NonConformance, match=rule):
            assert_executed(shown, executed)


def replace_url(call: HttpCall) -> HttpCall:
    return call.model_copy(update={"url": "http://y/"})


async def test_a_context_can_be_changed_in_part() -> None:
    ctx = a_context(Config(), secrets={"a": "b"})
    assert replace(ctx, platform="x").secret("a") == "b"


class BySender:
    async def send(self, ctx: Context, call: ApiCall, say: Callable[[str], None]) -> CallResult:
        raise AssertionError("the suite changes nothing")


def asking(line: str, body: JsonValue = None) -> Any:
    def preview(self: Any, config: Any, args: Any, facts: Any) -> Preview:
        words = line.replace("NAME", args.name)
        return Preview(calls=(an_api_call(body=body, line=words),), no_inverse="none")

    return with_part(GoodRestart(), preview=preview)


@pytest.mark.parametrize(
    ("line", "body", "sender", "rule"),
    [
        ("kubectl restart -- NAME", None, BySender(), ""),
        ("kubectl restart -- NAME", None, None, "an ApiCall needs a sender"),
        ("kubectl restart NAME", None, BySender(), "no argument that begins with '-'"),
        ("kubectl restart -- NAME", {"token": "hunter2-canary"}, BySender(), "may stand in no ApiCall"),
    ],
    ids=["good", "no-sender", "option", "secret"],
)
async def test_an_api_call_is_held_to_the_same(
    tmp_path: Path, line: str, body: JsonValue, sender: Any, rule: str
) -> None:
    door = FakeReadDoor().on_run(["svc", "show", "--", "web"], "17", times=None)
    ctx = a_context(Config(), door, clock=VirtualClock(), secrets={"env:PASSWORD": "hunter2hunter2"})
    hides = replace(ctx, hidden=lambda value: "hunter2-canary" in str(value))
    plugin = a_plugin(operations=(asking(line, body),), sender=sender)
    given: dict[str, Any] = {"cases": [Case("restart", {"name": "web"})], "probes": {"alive": [{}]}, "patience": 0.5}
    with pytest.raises(NonConformance, match=rule) if rule else contextlib.nullcontext():
        await check_plugin(plugin, hides, folder=tmp_path, **given)


class Backs:
    """Writes one file, as ``wrong`` says."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong

    async def back_up(self, ctx: Context, to: Path | None, say: Callable[[str], None]) -> BackedUp:
        assert to is not None
        if not to.is_dir():
            if self.wrong == "elsewhere":
                return self._made(to.parent / "b")
            raise BadInput("there is no such folder")
        path = (to.parent if self.wrong == "outside" else to) / ("a.part" if self.wrong == "unfinished" else "a")
        return self._made(path)

    def _made(self, path: Path) -> BackedUp:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o644 if self.wrong == "readable" else 0o600)
        os.write(descriptor, b"12345")
        os.close(descriptor)
        return BackedUp(path, 6 if self.wrong == "size" else 5, 1, at(0), 0.1)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ("", ""),
        ("unfinished", "nothing unfinished may be left"),
        ("readable", "it must be readable by its owner alone"),
        ("size", "its size must be told as it is"),
        ("outside", "it may write in its folder only"),
        ("elsewhere", "what is not there must be refused"),
    ],
    ids=["good", "unfinished", "readable", "size", "outside", "elsewhere"],
)
async def test_a_backup_is_held_to_be_whole_and_private(tmp_path: Path, wrong: str, rule: str) -> None:
    ctx = a_context(Config(), FakeReadDoor(), clock=VirtualClock(), secrets={})
    plugin = Plugin(name="good", version="1", config=Config, backer=Backs(wrong))
    with pytest.raises(NonConformance, match=rule) if rule else contextlib.nullcontext():
        await check_plugin(plugin, ctx, folder=tmp_path)


async def test_a_backer_that_is_not_tried_is_a_finding() -> None:
    plugin = Plugin(name="good", version="1", config=Config, backer=Backs())
    with pytest.raises(NonConformance, match="it must be tried: give a folder"):
        await check_plugin(plugin, a_context(Config(), FakeReadDoor(), clock=VirtualClock(), secrets={}))
