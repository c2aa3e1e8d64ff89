"""What is said of a verification while it goes on: how far it is, what it waits for, and how long yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from pydantic import ValidationError

from warroom.model.base import Fact, Instant
from warroom.model.checks import LogsClean, SignalWithin, TriggersQuiet
from warroom.model.runbook import CheckDecl, Runbook
from warroom.model.state import State, Verification
from warroom.model.units import listed, many

MOST_NAMED = 2


class Wait(Fact):
    """``words`` name what is waited for. ``until``: when the last of it is given up, so long it takes at the most."""

    words: str
    until: Instant


def progress(runbook: Runbook, checked: Verification) -> str:
    """``9 of 14 checks, 11 of them required``: the verdict counts only those."""
    of = many(len(checked.checks), "check")
    required = sum(name in runbook.verification and runbook.verification[name].required for name in checked.checks)
    some = f", {required} of them required" if required != len(checked.checks) else ""
    return f"{len(checked.results)} of {of}{some}"


def waits(runbook: Runbook, state: State, now: datetime) -> Wait | None:
    """Of the built-in checks that wait for something to come, or to be over; None where none of them does any more."""
    checked = state.verification
    if checked is None or checked.verdict is not None:
        return None
    found: dict[str, datetime] = {}
    for name in checked.checks:
        if name in runbook.verification and name not in checked.results:
            for what, until in _one(runbook, runbook.verification[name], checked, _since(state, checked)):
                found[what] = max(until, found.get(what, until))
    left = {what: until for what, until in found.items() if until > now}
    if not left:
        return None
    return Wait(words=f"{listed(list(left), MOST_NAMED)}{_never(runbook, left)}", until=max(left.values()))


def _never(runbook: Runbook, titles: Collection[str]) -> str:
    """That some of it comes only once somebody measures it is no reason to wait on."""
    never = sum(signal.source is None and signal.title in titles for signal in runbook.signals.values())
    if not never:
        return ""
    whom = "it" if len(titles) == 1 else "them" if never == len(titles) else f"{never} of them"
    return f" (nobody measures {whom})"


def _since(state: State, checked: Verification) -> datetime:
    """The end of the last run, which is what a log has to be quiet after."""
    ended = state.plan.ended_at if state.plan is not None and state.plan.status == "done" else None
    return ended or checked.began_at


def _one(runbook: Runbook, decl: CheckDecl, checked: Verification, since: datetime) -> Iterator[tuple[str, datetime]]:
    """What is wrong with its arguments, the check itself says."""
    try:
        if decl.use == "signal-within":
            wanted = SignalWithin.model_validate(dict(decl.with_))
            signal = runbook.signals.get(wanted.signal)
            yield (
                signal.title if signal is not None else wanted.signal,
                checked.began_at + timedelta(seconds=wanted.wait),
            )
        elif decl.use == "triggers-quiet":
            quiet = TriggersQuiet.model_validate(dict(decl.with_))
            yield "triggers to be quiet", checked.began_at + timedelta(seconds=quiet.wait)
        elif decl.use == "logs-clean":
            clean = LogsClean.model_validate(dict(decl.with_))
            yield "log lines", since + timedelta(seconds=clean.settle)
    except ValidationError:
        return
