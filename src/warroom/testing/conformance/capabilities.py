"""What a plugin reads: signals, logs, releases, readiness, identity, probes, evidence."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from warroom.api import (
    Chooser,
    Collector,
    Context,
    Deploying,
    Identity,
    Logs,
    Option,
    Probe,
    Probed,
    Readiness,
    Ready,
    Releases,
    SignalOffer,
    Signals,
)
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import LogLine, Sample
from warroom.testing.conformance.findings import Findings, jsonable
from warroom.testing.conformance.guard import Guard, watched
from warroom.testing.fakes import FakeFolder

T = TypeVar("T")
_NONSENSE = ("no-such-release-7f3a", "--detach", "-oProxyCommand=id", "; id", "", "../../etc/passwd", "\x1b[2J")
_UNITS = ("ratio", "ms", "s", "bytes", "count", "per-minute", "state")


async def check_signals(signals: Signals, ctx: Context, findings: Findings, count: int, patience: float) -> None:
    where = "signals"
    with findings.within(where):
        offers = dict(signals.offers(ctx.config))
        findings.hold(offers == dict(signals.offers(ctx.config)), "offers must be the same twice", where)
        for name, offer in offers.items():
            if findings.typed(offer, SignalOffer, "offers must be of type SignalOffer", f"{where} {name}"):
                known = offer.unit in _UNITS and bool(offer.title.strip())
                findings.hold(known, "an offer must have a title and a known unit", f"{where} {name}", offer)
        seen = await _some(signals.samples(ctx, frozenset(offers)), count, patience)
        findings.hold(bool(seen) or not offers, "samples must come", where, f"none in {patience:g} s")
        for sample in seen:
            if findings.typed(sample, Sample, "samples must be of type Sample", where):
                _sample(sample, offers, ctx.clock.now(), findings)


def _sample(sample: Sample, offers: Mapping[str, SignalOffer], now: datetime, findings: Findings) -> None:
    where = f"signals {sample.signal}"
    if sample.signal not in offers:
        findings.add("a sample must bear the name of an offer", where)
        return
    unit, value = offers[sample.signal].unit, sample.value
    findings.hold(sample.at.utcoffset() is not None, "a sample's time must say its zone", where, sample.at)
    findings.hold(sample.at <= now + timedelta(minutes=1), "a sample may not come from the future", where, sample.at)
    findings.hold(sample.count is None or sample.count >= 0, "a count may not be negative", where, sample.count)
    if value is not None:
        findings.hold(unit != "ratio" or 0 <= value <= 1, "a ratio must lie between 0 and 1", where, value)
        findings.hold(unit != "state" or value in (0, 1), "a state must be 0 or 1", where, value)
        findings.hold(value >= 0, f"{unit} may not be negative", where, value)


async def check_logs(logs: Logs, ctx: Context, findings: Findings, count: int, patience: float) -> None:
    where = "logs"
    with findings.within(where):
        newest: dict[str, datetime] = {}
        seen = await _some(logs.follow(ctx), count, patience)
        findings.hold(bool(seen), "lines must come", where, f"none in {patience:g} s")
        for line in seen:
            if not findings.typed(line, LogLine, "lines must be of type LogLine", where):
                continue
            findings.hold(bool(line.source.strip()), "a line must say its source", where, line.text[:80])
            findings.hold("\n" not in line.text, "a line must be one line", where, line.text[:80])
            if line.at is not None:
                ordered = line.at >= newest.get(line.source, line.at)
                findings.hold(ordered, "a source's lines must come oldest first", f"{where} {line.source}", line.at)
                newest[line.source] = line.at


async def check_releases(releases: Releases, ctx: Context, findings: Findings, patience: float) -> None:
    where = "releases"
    with findings.within(where):
        async with asyncio.timeout(patience):
            running = await releases.running(ctx)
            history = list(await releases.history(ctx))
        findings.hold(
            running is None or isinstance(running, Release), "running must be a Release or None", where, running
        )
        findings.hold(all(isinstance(r, Release) for r in history), "history must hold Releases", where)
        times = [r.deployed_at for r in history if r.deployed_at]
        findings.hold(times == sorted(times, reverse=True), "history must be newest first", where, times)
        for release in history[:2]:
            async with asyncio.timeout(patience):
                found = await releases.resolve(ctx, release.version)
            findings.hold(found.same_as(release) is not False, "a version must resolve to its release", where, found)
        if len(history) > 1:
            async with asyncio.timeout(patience):
                diff = await releases.diff(ctx, history[1], history[0])
            findings.hold(isinstance(diff, ReleaseDiff), "diff must return a ReleaseDiff", where, type(diff).__name__)
    for nonsense in (
        "no-such-release-7f3a",
        "--detach",
        "-oProxyCommand=id",
        "; id",
        "",
        "../../etc/passwd",
        "\x1b[2J",
    ):
        await _refuses(releases, ctx, nonsense, findings, patience)


async def _refuses(releases: Releases, ctx: Context, text: str, findings: Findings, patience: float) -> None:
    where = f"releases, resolve {text!r}"
    with findings.within(where, may_refuse=True):
        async with asyncio.timeout(patience):
            found = await releases.resolve(ctx, text)
        findings.add("what is not there must be refused", where, found)


async def check_readiness(readiness: Readiness, ctx: Context, findings: Findings, patience: float) -> None:
    where = "readiness"
    with findings.within(where):
        async with asyncio.timeout(patience):
            rows = list(await readiness.ready(ctx))
        findings.hold(bool(rows), "it must have something to say", where)
        findings.hold(len({row.id for row in rows}) == len(rows), "each row must have an id of its own", where)
        for row in rows:
            if not findings.typed(row, Ready, "rows must be of type Ready", where):
                continue
            known = row.status in ("ready", "not-ready", "unknown") and bool(row.title.strip() and row.words.strip())
            findings.hold(known, "a row must say what it found", where, row)
            fixable = row.status != "not-ready" or bool(row.fix.strip())
            findings.hold(fixable, "a red row must say the fix", where, row.id)


async def check_deploying(deploying: Deploying, ctx: Context, findings: Findings, patience: float) -> None:
    with findings.within("deploying"):
        async with asyncio.timeout(patience):
            words = await deploying.deploying(ctx)
        findings.hold(len(words) <= 300, "it must say in short what goes on", "deploying")


async def check_identity(identity: Identity, ctx: Context, findings: Findings, patience: float) -> None:
    with findings.within("identity"):
        async with asyncio.timeout(patience):
            first, again = await identity.fingerprint(ctx), await identity.fingerprint(ctx)
        findings.hold(first == again, "a fingerprint must be the same twice", "identity", f"{first} and {again}")
        findings.hold(
            bool(first.strip()) and len(first) <= 300, "a fingerprint must be short and say something", "identity"
        )


async def check_probe(
    probe: Probe, ctx: Context, raw: Mapping[str, JsonValue], findings: Findings, patience: float
) -> None:
    where = f"probe {probe.name}"
    guard = Guard("reading")
    with findings.within(where), watched(guard):
        args = probe.args.model_validate(dict(raw))
        async with asyncio.timeout(patience):
            probed = await probe.probe(ctx, args)
        if findings.typed(probed, Probed, "it must return Probed", where):
            known = probed.verdict in ("pass", "fail", "inconclusive") and bool(probed.words.strip())
            findings.hold(known, "it must give a verdict in words", where, probed)
            findings.hold(jsonable(dict(probed.numbers)), "its numbers must be JSON", where, probed.numbers)
    for told in guard.seen:
        findings.add("it may do nothing but read through the read door", where, told)


async def check_chooser(name: str, chooser: Chooser, ctx: Context, findings: Findings, patience: float) -> None:
    """Where it can't be told what there is, raising says so; no list would."""
    where = f"chooser {name}"
    guard = Guard("reading")
    with findings.within(where, may_refuse=True), watched(guard):
        async with asyncio.timeout(patience):
            first, again = list(await chooser.options(ctx)), list(await chooser.options(ctx))
        if not all(findings.typed(option, Option, "options must be of type Option", where) for option in first):
            return
        values = [option.value for option in first]
        findings.hold(len(set(values)) == len(values), "each option must have a value of its own", where, values)
        same = values == [option.value for option in again]
        findings.hold(same, "the same options must have the same values at each asking", where, values)
        for option in first:
            explained = option.verdict == "good" or bool(option.words.strip())
            findings.hold(explained, "one that is not good must say why", where, option.title)
    for told in guard.seen:
        findings.add("it may do nothing but read through the read door", where, told)


async def check_collector(collector: Collector, ctx: Context, root: Path, findings: Findings) -> None:
    """``root`` is an empty folder of its own, outside everything that matters."""
    where = f"collector {collector.name}"
    folder = FakeFolder(root)
    guard = Guard("reading", root)
    around = _listing(root.parent, root)
    with findings.within(where), watched(guard):
        async with asyncio.timeout(collector.timeout_s):
            await collector.collect(ctx, folder)
    for told in guard.seen:
        findings.add("it may write in its folder only", where, told)
    findings.hold(_listing(root.parent, root) == around, "it may write in its folder only", where, root.parent)
    _collected(collector, root, folder.kinds, findings)


def _collected(collector: Collector, root: Path, kinds: Mapping[str, str], findings: Findings) -> None:
    where = f"collector {collector.name}"
    paths = list(root.iterdir())
    findings.hold(bool(paths), "it must collect something, or raise", where)
    strays = {path.name for path in paths} ^ set(kinds)
    findings.hold(not strays, "every file must be made through the folder", where, strays)
    findings.hold(all(path.is_file() and not path.is_symlink() for path in paths), "no links, no folders", where)
    missing = set(collector.kinds) - set(kinds.values())
    findings.hold(not missing, "it must give every kind that it names", where, missing)


def _listing(folder: Path, but: Path) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.name != but.name}


async def _some(stream: AsyncIterator[T], count: int, patience: float) -> list[T]:
    """The first items, as many as come in ``patience`` seconds, at most ``count``; then the stream is closed."""
    seen: list[T] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            async for item in stream:
                seen.append(item)
                if len(seen) == count:
                    break
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
    return seen
