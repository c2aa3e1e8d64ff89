"""Is it really recovered? Each check passes, fails or is inconclusive; too little data never passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from warroom.actions.ingress import clean_fact
from warroom.actions.platform import ActivePlatform
from warroom.api import Clock
from warroom.errors import WarroomError
from warroom.model.checks import CountsMatch, LogsClean, NoArgs, SignalWithin, TriggersQuiet
from warroom.model.release import Release
from warroom.model.runbook import CheckDecl, Runbook, SignalDecl
from warroom.model.signal import LogLine, TriggerReading
from warroom.model.units import count_text, listed, many, value_text
from warroom.model.verification import CheckResult, Verdict
from warroom.redact import Redactor

CHECK_TIMEOUT = 90.0
"""Seconds for one check, unless its probe's arguments say ``within`` which time it ends by itself."""
GRACE = 30.0
"""Seconds that it gets beyond that."""


@dataclass
class Eyes:
    """What verification may look at. ``since`` is when the rollback ended, on the monotonic clock and as an instant."""

    platforms: Mapping[str, ActivePlatform]
    running: Callable[[], Awaitable[Release | None]]
    target: Release | None
    since_monotonic: float
    seen_since: Callable[[str, float], Sequence[tuple[float | None, int | None]]]
    log_since: Callable[[], tuple[int, int, Sequence[LogLine]]]
    triggers: Callable[[], Mapping[str, TriggerReading]]
    counts_then: Mapping[str, int]
    said_by_a_person: Callable[[str], tuple[Verdict, str] | None]
    clock: Clock
    cleaner: Redactor
    signals: Mapping[str, SignalDecl] = field(default_factory=dict)
    no_health: frozenset[str] = frozenset()
    """Triggers whose quiet says nothing of how the service is."""
    failed_already: Callable[[], bool] = lambda: False
    """A required check has failed: the verdict stands, and nobody is kept waiting for the rest."""


@dataclass(frozen=True)
class _Seen:
    verdict: Verdict
    words: str
    numbers: Mapping[str, JsonValue] = field(default_factory=dict)


async def check(check_id: str, decl: CheckDecl, eyes: Eyes) -> CheckResult:
    """One check. A fault of its own is inconclusive, with the reason: it proves neither way."""
    longest = _longest(decl, eyes)
    try:
        async with asyncio.timeout(longest):
            seen = await _run(check_id, decl, eyes)
    except TimeoutError:
        seen = _Seen("inconclusive", f"no answer within {longest:g} s")
    except ValidationError as error:
        first = error.errors()[0]
        seen = _Seen("inconclusive", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except WarroomError as error:
        seen = _Seen("inconclusive", str(error))
    except Exception as error:  # noqa: BLE001 - a plugin's fault must not end the verification
        seen = _Seen("inconclusive", f"the check failed itself: {type(error).__name__}: {error}")
    result = CheckResult(
        id=check_id,
        title=decl.sentence,
        verdict=seen.verdict,
        words=seen.words,
        numbers=dict(seen.numbers),
        proves=decl.proves or "",
    )
    return clean_fact(eyes.cleaner, result)


def verdict(runbook: Runbook, results: Mapping[str, CheckResult]) -> tuple[Verdict, str]:
    """FAIL if a required check failed, INCONCLUSIVE if one could not tell, else PASS; with the reason in words."""
    required = [results[name] for name, decl in runbook.verification.items() if decl.required and name in results]
    for worst in ("fail", "inconclusive"):
        named = [r.title for r in required if r.verdict == worst]
        if named:
            how = "failed" if worst == "fail" else "could not tell"
            words = f"{len(named)} of {len(required)} required checks {how}: {'; '.join(named)}"
            return ("fail" if worst == "fail" else "inconclusive"), words
    if not required:
        return "inconclusive", "the runbook declares no check that has to pass"
    return "pass", f"all {len(required)} required checks passed"


def _longest(decl: CheckDecl, eyes: Eyes) -> float:
    """What is wrong with the arguments is said by the check itself."""
    platform_id, _, name = decl.use.partition(".")
    platform = eyes.platforms.get(platform_id)
    probe = platform.plugin.probe(name) if platform is not None else None
    if probe is None:
        return CHECK_TIMEOUT
    try:
        within = getattr(probe.args.model_validate(dict(decl.with_)), "within", None)
    except ValidationError:
        return CHECK_TIMEOUT
    return max(CHECK_TIMEOUT, within + GRACE) if isinstance(within, int | float) else CHECK_TIMEOUT


async def _run(check_id: str, decl: CheckDecl, eyes: Eyes) -> _Seen:
    if "." in decl.use:
        return await _probe(decl.use, decl.with_, eyes)
    return await BUILT_IN[decl.use](check_id, decl.with_, eyes)


async def _probe(use: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    platform_id, _, name = use.partition(".")
    platform = eyes.platforms.get(platform_id)
    if platform is None:
        return _Seen("inconclusive", f"the platform {platform_id} is not there")
    probe = platform.plugin.probe(name)
    if probe is None:
        return _Seen("inconclusive", f"{platform.plugin.name} has no check {name}")
    probed = await probe.probe(platform.context, probe.args.model_validate(dict(args)))
    return _Seen(probed.verdict, probed.words, probed.numbers)


async def _running_is_target(check_id: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    """Identity, not exit status: the digest (else commit) that runs is the target's."""
    NoArgs.model_validate(dict(args))
    if eyes.target is None:
        return _Seen("inconclusive", "no target was chosen")
    running = await eyes.running()
    if running is None:
        return _Seen("inconclusive", "what runs can't be read")
    same = running.same_as(eyes.target)
    numbers = {"running": running.digest or running.commit, "target": eyes.target.digest or eyes.target.commit}
    if same is None:
        return _Seen("inconclusive", "the running release and the target share no identity to compare", numbers)
    identity = (running.digest or running.commit or "")[:19]
    if same:
        return _Seen("pass", f"{running.name} runs, {identity}, as the target says", numbers)
    return _Seen("fail", f"{running.name} runs ({identity}), not {eyes.target.name}", numbers)


async def _signal_within(check_id: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    """The signal since the rollback ended, on the right side of its limit, with enough observations behind it."""
    wanted = SignalWithin.model_validate(dict(args))
    ends = eyes.clock.monotonic() + wanted.wait
    while True:
        seen = eyes.seen_since(wanted.signal, eyes.since_monotonic + wanted.settle)
        known = [(value, 1 if weight is None else weight) for value, weight in seen if value is not None]
        count = sum(weight for _, weight in known)
        if count >= wanted.at_least or eyes.clock.monotonic() >= ends:
            break
        await eyes.clock.sleep(0.5)
    if not known or count < wanted.at_least:
        return _Seen("inconclusive", f"{count} observations since the rollback, {wanted.at_least} are wanted")
    mean = sum(value * weight for value, weight in known) / max(1, count)
    declared = eyes.signals.get(wanted.signal) or SignalDecl(title=wanted.signal, unit="count")
    words = _seen_words(declared, mean, count)
    numbers: dict[str, JsonValue] = {"value": mean, "count": count, "below": wanted.below, "above": wanted.above}
    if wanted.below is not None and not mean < wanted.below:
        return _Seen("fail", f"{words}, it must be below {value_text(wanted.below, declared.unit)}", numbers)
    if wanted.above is not None and not mean > wanted.above:
        if declared.unit == "state":
            return _Seen("fail", f"{words}, more than {value_text(wanted.above, 'ratio')} must be", numbers)
        return _Seen("fail", f"{words}, it must be above {value_text(wanted.above, declared.unit)}", numbers)
    return _Seen("pass", words, numbers)


def _seen_words(declared: SignalDecl, mean: float, count: int) -> str:
    """``5xx ratio is 0.4 % of 812 requests since the rollback``; of a state, how many checks were well."""
    if declared.unit == "state":
        return f"{declared.title} was well in {round(mean * count):,} of {count:,} checks since the rollback"
    of = count_text(count, declared.unit) or f"over {count:,} observations"
    return f"{declared.title} is {value_text(mean, declared.unit)} {of} since the rollback"


async def _logs_clean(check_id: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    wanted = LogsClean.model_validate(dict(args))
    await eyes.clock.sleep(max(0.0, wanted.settle - (eyes.clock.monotonic() - eyes.since_monotonic)))
    lines, errors, first = await asyncio.to_thread(eyes.log_since)
    numbers: dict[str, JsonValue] = {"lines": lines, "errors": errors}
    if lines == 0:
        return _Seen("inconclusive", "not one log line since the rollback", numbers)
    if errors > wanted.allow:
        shown = f", first: {first[0].text[:160]}" if first else ""
        return _Seen("fail", f"{errors} error lines since the rollback{shown}", numbers)
    return _Seen("pass", f"{errors} error lines among {lines:,} since the rollback", numbers)


async def _counts_match(check_id: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    """Row counts against the evidence's own snapshot. The service writes on: more is well, fewer is not."""
    wanted = CountsMatch.model_validate(dict(args))
    if not eyes.counts_then:
        return _Seen("inconclusive", "no row counts were captured before the rollback")
    now = await _probe(wanted.probe, {}, eyes)
    if now.verdict != "pass":
        return now
    fewer, shown = [], []
    for table, then in eyes.counts_then.items():
        count = now.numbers.get(table)
        if not isinstance(count, int):
            return _Seen("inconclusive", f"{table} was not counted", now.numbers)
        shown.append(f"{table} {then:,} → {count:,}")
        if count < then:
            fewer.append(f"{table} has {count:,} rows, {then:,} before")
    if fewer:
        return _Seen("fail", "; ".join(fewer), now.numbers)
    return _Seen("pass", "no table has fewer rows than before: " + ", ".join(shown), now.numbers)


async def _triggers_quiet(check_id: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    """No trigger fires or counts towards firing, and what was measured before is measured still."""
    wanted = TriggersQuiet.model_validate(dict(args))
    ends = eyes.clock.monotonic() + wanted.wait
    while True:
        readings = eyes.triggers()
        loud = [r for r in readings.values() if r.status in ("firing", "pending", "clearing")]
        if not loud or eyes.clock.monotonic() >= ends:
            break
        if eyes.failed_already():
            titles = listed([r.title for r in loud])
            return _Seen("inconclusive", f"not waited for, since another check failed: {titles}")
        await eyes.clock.sleep(0.5)
    if any(r.status == "firing" for r in loud):
        return _Seen("fail", "; ".join(f"{r.title}: {_number(r)}" for r in loud if r.status == "firing"))
    if loud:
        return _Seen("inconclusive", "; ".join(f"{r.title} is {r.status}: {_number(r)}" for r in loud))
    measured = [r for r in readings.values() if r.status == "ok" and r.id not in eyes.no_health]
    if not measured:
        return _Seen("inconclusive", "not one trigger is measured")
    return _Seen("pass", f"{many(len(measured), 'measured trigger is', 'measured triggers are')} quiet")


def _number(reading: TriggerReading) -> str:
    return reading.words.partition("; ")[0]


async def _ask_a_person(check_id: str, args: Mapping[str, JsonValue], eyes: Eyes) -> _Seen:
    NoArgs.model_validate(dict(args))
    said = eyes.said_by_a_person(check_id)
    return _Seen(*said) if said is not None else _Seen("inconclusive", "nobody has said so yet")


BUILT_IN: dict[str, Callable[[str, Mapping[str, JsonValue], Eyes], Awaitable[_Seen]]] = {
    "running-is-target": _running_is_target,
    "signal-within": _signal_within,
    "logs-clean": _logs_clean,
    "counts-match": _counts_match,
    "triggers-quiet": _triggers_quiet,
    "ask-a-person": _ask_a_person,
}
