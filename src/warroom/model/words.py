"""Each event in one plain sentence: for the timeline, the report and ``warroom journal show``.

Text from outside is data: it is quoted as it came, on one line, with every control and invisible character drawn. What
draws a sentence still must not read it as markup.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from warroom.model import event as ev
from warroom.model.base import span_text
from warroom.model.call import Call, HttpCall, Ref, drawn
from warroom.model.event import Event
from warroom.model.release import Release

LONGEST = 400
"""Characters of one sentence; the event has the rest."""

LONGEST_CALL = 200
"""Characters of a call in a sentence: what is done stands at its beginning, or the event is looked at."""

_SAYS: dict[type[Any], Callable[[Any], str]] = {}


def words(event: Event) -> str:
    """What happened, without who and when. Never empty, never more than one line."""
    return one_line(_SAYS[type(event.body)](event.body), LONGEST)


def one_line(text: str, most: int = LONGEST) -> str:
    """``text`` on one line of at most ``most`` characters, white space joined, what can't be seen drawn (``␛``)."""
    shown = "".join(map(_seen, " ".join(text[: 4 * most].split())))
    return shown if len(shown) <= most and len(text) <= 4 * most else shown[: most - 1].rstrip() + "…"


def _seen(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return " " if unicodedata.category(char) == "Zs" else f"‹U+{code:04X}›"


def _says(body: type[Any]) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    def register(sentence: Callable[[Any], str]) -> Callable[[Any], str]:
        _SAYS[body] = sentence
        return sentence

    return register


def _because(reason: str) -> str:
    return f": {reason}" if reason.strip() else ""


def _name(release: Release | None) -> str:
    return release.name if release is not None else "an unknown release"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _some(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _step(body: Any) -> str:
    return f"step {body.step}" if body.attempt < 2 else f"step {body.step}, attempt {body.attempt},"


@_says(ev.IncidentOpened)
def _(body: ev.IncidentOpened) -> str:
    severity = body.severity or "severity not known"
    drill = f", drill {body.scenario}" if body.scenario else ""
    runs = f"; {body.running.name} is running" if body.running else ""
    began = next((t.since_release for t in body.triggers if t.status == "firing" and t.since_release), "")
    return f"{body.incident} opened ({severity}{drill}): {body.title}{runs}{'; ' + began if began else ''}"


@_says(ev.EngineStarted)
def _(body: ev.EngineStarted) -> str:
    return f"warroom {body.version} started (process {body.pid})"


@_says(ev.WheelTaken)
def _(body: ev.WheelTaken) -> str:
    return "took the wheel"


@_says(ev.WheelReleased)
def _(body: ev.WheelReleased) -> str:
    return "let go of the wheel"


@_says(ev.TriggerChanged)
def _(body: ev.TriggerChanged) -> str:
    reading = body.reading
    said = not reading.since_release or reading.since_release in reading.words
    since = "" if said or reading.status != "firing" else f"; {reading.since_release}"
    return (
        f"trigger {reading.title} ({reading.severity}): {body.was} → {reading.status}{_because(reading.words)}{since}"
    )


@_says(ev.ReleaseChanged)
def _(body: ev.ReleaseChanged) -> str:
    how = ", the rollback" if body.rollback else ""
    return f"the running release changed: {_name(body.was)} → {_name(body.now)}{how}, seen by {body.seen_by}"


@_says(ev.TreeChanged)
def _(body: ev.TreeChanged) -> str:
    reading = body.reading
    if reading.advice is not None:
        return f"the decision tree advises {reading.title or reading.advice}{_because(reading.reason)}"
    waiting = next((answer.ask for answer in reading.path if answer.answer is None), "")
    return f"the decision tree asks: {waiting}" if waiting else "the decision tree has no advice"


@_says(ev.TreeAnswered)
def _(body: ev.TreeAnswered) -> str:
    if body.answer is None:
        return f"took back the answer to {body.node}{_because(body.reason)}"
    return f"answered {body.node} with {body.answer}{_because(body.reason)}"


@_says(ev.Decided)
def _(body: ev.Decided) -> str:
    how = "as advised" if body.followed_advice else "against the advice"
    return f"decided: {body.choice}, {how}{_because(body.reason)}"


@_says(ev.ItemMarked)
def _(body: ev.ItemMarked) -> str:
    did = {"ticked": "ticked", "waived": "waived", "not-needed": "marked as not needed", "open": "opened again"}
    line = f"“{body.sentence}”" if body.sentence else body.item
    return f"{did[body.mark]} {line}{_because(body.reason)}"


@_says(ev.NoteAdded)
def _(body: ev.NoteAdded) -> str:
    about = {
        "note": "noted",
        "cause": "noted as the cause",
        "impact": "noted as the impact",
        "well": "noted as gone well",
        "wrong": "noted as gone wrong",
        "action": "noted as an action",
        "post-mortem-at": "set the post-mortem",
    }
    return f"{about[body.about]}: {body.text}"


@_says(ev.Acknowledged)
def _(body: ev.Acknowledged) -> str:
    return f"acknowledged {body.what}"


@_says(ev.EvidenceStarted)
def _(body: ev.EvidenceStarted) -> str:
    return f"collecting {_bundle(body.bundle)} from {_some(body.collectors)}"


@_says(ev.EvidenceCollected)
def _(body: ev.EvidenceCollected) -> str:
    size = sum(artifact.size for artifact in body.artifacts)
    return f"{body.collector} gave {_files(len(body.artifacts))} of evidence, {size:,} bytes"


@_says(ev.EvidenceMissing)
def _(body: ev.EvidenceMissing) -> str:
    return f"{body.collector} gave no evidence{_because(body.reason)}"


@_says(ev.EvidenceSealed)
def _(body: ev.EvidenceSealed) -> str:
    return f"{_bundle(body.bundle)} sealed: {_files(body.files)}, {body.size:,} bytes, seal {_short(body.seal)}"


@_says(ev.EvidenceUnsealed)
def _(body: ev.EvidenceUnsealed) -> str:
    return f"evidence {body.bundle} was not sealed{_because(body.reason)}"


@_says(ev.ProofStarted)
def _(body: ev.ProofStarted) -> str:
    return f"{body.collector} of {_bundle(body.bundle)} is tried: {body.words}"


@_says(ev.ProofEnded)
def _(body: ev.ProofEnded) -> str:
    told = {"pass": "is proven", "fail": "is of no use", "inconclusive": "is not proven"}[body.verdict]
    return f"{body.collector} of {_bundle(body.bundle)} {told}{_because(body.words)}"


def _bundle(name: str) -> str:
    return name if name.startswith("evidence") else f"evidence {name}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


@_says(ev.Attached)
def _(body: ev.Attached) -> str:
    return f"attached {body.name}, {body.size:,} bytes"


@_says(ev.TargetChosen)
def _(body: ev.TargetChosen) -> str:
    how = " (typed)" if body.typed else ""
    return f"chose {body.release.name} as the target{how}{_because(body.reason)}"


@_says(ev.AutomaticAnnounced)
def _(body: ev.AutomaticAnnounced) -> str:
    return (
        f"automatic rollback to {body.target} announced, to begin at {body.until:%H:%M:%S} UTC unless it is vetoed"
        f"{_because(body.evidence)}"
    )


@_says(ev.AutomaticVetoed)
def _(body: ev.AutomaticVetoed) -> str:
    return f"vetoed the automatic rollback{_because(body.reason)}"


@_says(ev.AutomaticStopped)
def _(body: ev.AutomaticStopped) -> str:
    return f"no automatic rollback{_because(body.reason)}"


@_says(ev.PlanProposed)
def _(body: ev.PlanProposed) -> str:
    steps = f"{len(body.plan.steps)} step{'' if len(body.plan.steps) == 1 else 's'}"
    doubts = "".join(
        f"; {chosen.words} is {chosen.called}: {chosen.doubt}" for chosen in body.plan.choices if chosen.doubt
    )
    return f"proposed plan {_short(body.hash)}: {body.plan.name}, {steps}, {body.plan.risk}{doubts}"


@_says(ev.PlanApproved)
def _(body: ev.PlanApproved) -> str:
    return f"approved plan {_short(body.hash)}"


@_says(ev.PlanVoided)
def _(body: ev.PlanVoided) -> str:
    return f"plan {_short(body.hash)} is void{_because(body.reason)}"


@_says(ev.RunStarted)
def _(body: ev.RunStarted) -> str:
    waived = f", over these guards: {'; '.join(body.waived)}" if body.waived else ""
    return f"started plan {_short(body.hash)}{waived}"


@_says(ev.StepIntended)
def _(body: ev.StepIntended) -> str:
    undo = f"; it can't be undone{_because(body.no_inverse)}" if body.inverse is None else ""
    more = len(body.calls) - 1
    then = f", then {more} more call{'' if more == 1 else 's'}" if more > 0 else ""
    first = one_line(_call(body.calls[0]), LONGEST_CALL) if body.calls else "no call"
    return f"{_step(body)} begins: {first}{then}{undo}"


def _call(call: Call) -> str:
    """A request by what it asks for; its headers say nothing to a reader. Anything else as it would be pasted."""
    if not isinstance(call, HttpCall):
        return call.paste()
    fields = {name: drawn(value) if isinstance(value, Ref) else value for name, value in (call.body or {}).items()}
    body = f" {json.dumps(fields, ensure_ascii=False)}" if fields else ""
    until = f" until {call.until.field} is {json.dumps(call.until.equals)}" if call.until is not None else ""
    return f"{call.method} {drawn(call.url)}{body}{until}"


@_says(ev.CallMade)
def _(body: ev.CallMade) -> str:
    return f"{_step(body)} call {body.index + 1} came back with {body.result.status} after {body.result.seconds:.1f} s"


@_says(ev.StepEnded)
def _(body: ev.StepEnded) -> str:
    ended = {
        "done": f"is done after {body.seconds:.1f} s",
        "failed": "failed",
        "cancelled": "was cancelled",
        "unknown": "has an UNKNOWN outcome",
        "skipped": "was skipped",
        "claimed": "is claimed as done",
    }
    seen = f"; seen: {body.look.seen}" if body.look is not None and body.look.seen not in body.detail else ""
    return f"{_step(body)} {ended[body.status]}{_because(body.detail)}{seen}"


@_says(ev.StepResolved)
def _(body: ev.StepResolved) -> str:
    choice = {"done": "took {} as done", "again": "let {} run again", "undo": "undoes {}", "skip": "skipped {}"}
    return choice[body.choice].format(_step(body).rstrip(",")) + _because(body.reason)


@_says(ev.AbortAsked)
def _(body: ev.AbortAsked) -> str:
    return f"asked to abort plan {_short(body.hash)}"


@_says(ev.RunEnded)
def _(body: ev.RunEnded) -> str:
    ended = {"done": "is done", "failed": "failed", "cancelled": "was aborted", "unknown": "ended UNKNOWN"}
    return (
        f"plan {_short(body.hash)} {ended[body.outcome]} after {span_text(round(body.seconds))}{_because(body.detail)}"
    )


@_says(ev.VerificationStarted)
def _(body: ev.VerificationStarted) -> str:
    return f"verification began: {_some(body.checks)}"


@_says(ev.CheckAnswered)
def _(body: ev.CheckAnswered) -> str:
    return f"said of the check {body.check}: {body.verdict.upper()}{_because(body.words)}"


@_says(ev.CheckEnded)
def _(body: ev.CheckEnded) -> str:
    return f"check {body.result.title}: {body.result.verdict.upper()}{_because(body.result.words)}"


@_says(ev.VerificationEnded)
def _(body: ev.VerificationEnded) -> str:
    ways = f"; ways on: {_some(way.title for way in body.next)}" if body.next else ""
    return f"verification: {body.verdict.upper()}{_because(body.words)}{ways}"


@_says(ev.WatchStarted)
def _(body: ev.WatchStarted) -> str:
    production = "" if body.window_s == body.production_s else f" (production {span_text(body.production_s)})"
    return f"the watch began: {span_text(body.window_s)}{production}, until {body.until:%H:%M:%S} UTC"


@_says(ev.WatchEnded)
def _(body: ev.WatchEnded) -> str:
    return f"the watch ended {'quietly' if body.quiet else 'with trouble'}{_because(body.words)}"


@_says(ev.MessageQueued)
def _(body: ev.MessageQueued) -> str:
    return f"message {body.template} for {body.channel} queued: {body.text}"


@_says(ev.MessageSent)
def _(body: ev.MessageSent) -> str:
    how = "was sent by hand" if body.by_hand else "was sent"
    return f"message {body.message} {how}{_because(body.receipt)}"


@_says(ev.MessageFailed)
def _(body: ev.MessageFailed) -> str:
    return f"message {body.message} {'was not sent' if body.final else 'waits for another try'}{_because(body.reason)}"


@_says(ev.Escalated)
def _(body: ev.Escalated) -> str:
    call = f" – {_some(body.contacts)}" if body.contacts else ""
    return f"escalation step {body.step + 1} after {span_text(round(body.elapsed_s))}: {body.sentence}{call}"


@_says(ev.ReportWritten)
def _(body: ev.ReportWritten) -> str:
    return f"report written: {body.path} ({_short(body.sha256)})"


@_says(ev.IncidentClosed)
def _(body: ev.IncidentClosed) -> str:
    return f"closed the incident as {body.outcome}{_because(body.reason)}"


@_says(ev.Raw)
def _(body: ev.Raw) -> str:
    return f"an entry this warroom can't read: {json.dumps(body.body, ensure_ascii=False)}"
