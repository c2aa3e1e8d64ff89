"""The sections of the runbook's outline, each written from the journal. Where nothing is known it says "unknown"."""

from __future__ import annotations

from collections.abc import Callable

from warroom.model.base import span_text
from warroom.model.event import (
    Decided,
    Event,
    MessageFailed,
    MessageQueued,
    MessageSent,
    NoteAdded,
    RunEnded,
    StepEnded,
    TargetChosen,
    TriggerChanged,
    VerificationEnded,
)
from warroom.model.runbook import Section
from warroom.model.signal import TriggerReading
from warroom.model.units import downtime_s
from warroom.report.left import left_behind
from warroom.report.markdown import escaped
from warroom.report.story import UNKNOWN, Story, body_of, length
from warroom.report.timeline import timeline
from warroom.report.wrong import went_wrong

Lines = list[str]
MOST_COMMITS = 20


def what_happened(story: Story, section: Section) -> Lines:
    opened = story.opened
    if opened is None:
        return [f"{UNKNOWN}: the journal has no entry that opens an incident."]
    began_on, _ = story.began_on()
    running = escaped(began_on.name) if began_on else "an unknown release"
    lines = [f"{escaped(opened.title)}, while {running} was running. {story.cite(story.opening)}", ""]
    for reading, event in fired(story):
        detail = reading.words or reading.condition
        lines.append(f"- {escaped(reading.title)} ({reading.severity}){_colon(detail)} {story.cite(event)}")
    decided = story.decided()
    if decided is not None:
        body = body_of(decided, Decided)
        how = "as the decision tree advised" if body.followed_advice else "against the decision tree's advice"
        who = escaped(decided.actor.name)
        lines.append(f"- {who} decided: {body.choice}, {how}{_colon(body.reason)} {story.cite(decided)}")
    lines.append(f"- {_what_was_done(story)}")
    return lines + left_behind(story)


def _what_was_done(story: Story) -> str:
    done = story.rollback_done
    last = story.last(VerificationEnded)
    verified = ", and nothing verified it"
    if last is not None:
        body = body_of(last, VerificationEnded)
        verified = f"; verification: {body.verdict.upper()}{_colon(body.words)} {story.cite(last)}"
    if done is None:
        return "No rollback was completed" + ("." if last is None else verified)
    plan = story.plans[body_of(done, RunEnded).hash]
    target = story.run_target()
    if target is None and any(step.role == "database" for step in plan.steps):
        return f"Done, with the release as it was: {escaped(plan.name)} {story.cite(done)}{verified}"
    to = escaped(target or UNKNOWN)
    return f"Rolled back to {to} by {escaped(plan.name)} {story.cite(done)}{verified}"


def fired(story: Story) -> list[tuple[TriggerReading, Event]]:
    """Each trigger that fired, as it first did, with the entry that says so."""
    found: dict[str, tuple[TriggerReading, Event]] = {}
    if story.opened is not None and story.opening is not None:
        for reading in story.opened.triggers:
            if reading.status == "firing":
                found[reading.id] = reading, story.opening
    for event in story.all(TriggerChanged, lambda b: b.reading.status == "firing"):
        reading = body_of(event, TriggerChanged).reading
        found.setdefault(reading.id, (reading, event))
    return list(found.values())


def root_cause(story: Story, section: Section) -> Lines:
    noted = story.notes("cause")
    lines = [_note(story, event) for event in noted] or [f"{UNKNOWN}: nobody noted a cause."]
    chosen = story.last(TargetChosen, lambda b: b.diff is not None)
    diff = body_of(chosen, TargetChosen).diff if chosen is not None else None
    if diff is None:
        return [*lines, "", f"What changed between the two releases: {UNKNOWN}."]
    lines += ["", f"What lies between {escaped(diff.older)} and {escaped(diff.newer)}: {story.cite(chosen)}", ""]
    lines += [f"- commit {escaped(commit)}" for commit in diff.commits[:MOST_COMMITS]]
    if len(diff.commits) > MOST_COMMITS:
        lines.append(f"- … {len(diff.commits) - MOST_COMMITS} more commits")
    lines += [f"- migration {escaped(migration)}" for migration in diff.migrations]
    lines += [f"- configuration key {escaped(key)}" for key in diff.config_keys or ()]
    if not diff.commits and not diff.migrations:
        lines.append(f"- {UNKNOWN}")
    return lines


def impact(story: Story, section: Section) -> Lines:
    """The runbook's prompts, answered from the journal or by a person's note that begins with the same words."""
    notes = story.notes("impact")
    lines: Lines = []
    used: set[int] = set()
    for prompt in section.prompts or ("Downtime",):
        label = prompt.split(":", 1)[0].strip()
        if label.lower() == "downtime":
            lines.append(f"- Downtime: {downtime(story)}")
            continue
        answer = next((n for n in notes if _text(n).lower().startswith(label.lower() + ":")), None)
        if answer is None:
            lines.append(f"- {escaped(label)}: {UNKNOWN}")
        else:
            used.add(answer.seq)
            said = _text(answer).split(":", 1)[1].strip()
            lines.append(f"- {escaped(label)}: {escaped(said) or UNKNOWN} {story.cite(answer)}")
    for reading, event in fired(story):
        if reading.impact:
            lines.append(f"- {escaped(reading.impact)} ({escaped(reading.title)}) {story.cite(event)}")
    return lines + [_note(story, event) for event in notes if event.seq not in used]


def downtime(story: Story) -> str:
    """From the fault where it is known, and from the detection, to the verified recovery; and what steps measured."""
    away = [(event, downtime_s(body_of(event, StepEnded).outputs)) for event in story.all(StepEnded)]
    measured = [
        f"step {escaped(body_of(event, StepEnded).step)} took the service away for {seconds:.1f} s {story.cite(event)}"
        for event, seconds in away
        if seconds is not None
    ]
    return "; ".join([_impaired(story), *measured])


def _impaired(story: Story) -> str:
    opened, restored = story.opened, story.recovery
    if opened is None:
        return UNKNOWN
    if restored is None:
        last = story.events[-1]
        least = length(opened.detected_at, last.at)
        return f"{UNKNOWN}: no recovery was verified; {least} from detection to the last entry {story.cite(last)}"
    cited = story.cite(story.opening, restored)
    text = f"{length(opened.detected_at, restored.at)} from detection to verified recovery {cited}"
    if opened.fault_at is not None:
        text = f"{length(opened.fault_at, restored.at)} from the fault, {text}"
    return text


def went_well(story: Story, section: Section) -> Lines:
    answers: dict[str, Callable[[Story], str]] = {
        "detection time": _detection,
        "rollback time": _rollback_time,
        "communication": _communication,
    }
    lines: Lines = []
    for prompt in section.prompts or ("Detection time", "Rollback time", "Communication"):
        label = prompt.split(":", 1)[0].strip()
        answer = answers.get(label.lower())
        lines.append(f"- {escaped(label)}: {answer(story) if answer else UNKNOWN}")
    return lines + [_note(story, event) for event in story.notes("well")]


def _detection(story: Story) -> str:
    opened = story.opened
    if opened is None:
        return UNKNOWN
    if opened.fault_at is not None:
        return f"{length(opened.fault_at, opened.detected_at)} after the fault {story.cite(story.opening)}"
    deployed = story.deployment()
    if deployed is None or deployed[0] > opened.detected_at:
        return f"{UNKNOWN}: nobody knows when the fault began"
    when, name, event = deployed
    after = length(when, opened.detected_at)
    return f"{UNKNOWN} when the fault began; detected {after} after {escaped(name)} was deployed {story.cite(event)}"


def _rollback_time(story: Story) -> str:
    done = story.rollback_done
    if done is None:
        return f"{UNKNOWN}: no rollback was completed"
    body = body_of(done, RunEnded)
    plan = story.plans[body.hash]
    expected = f", {span_text(round(plan.expected_s))} expected" if plan.expected_s else ""
    text = f"{span_text(round(body.seconds))}{expected} {story.cite(done)}"
    decided = story.decided()
    if decided is not None and decided.at <= done.at:
        text += f"; {length(decided.at, done.at)} after the decision {story.cite(decided)}"
    return text


def _communication(story: Story) -> str:
    queued = story.all(MessageQueued)
    sent = story.all(MessageSent)
    if not queued:
        return "no message was written"
    # One that was not taken and then sent by hand did arrive.
    arrived = {body_of(event, MessageSent).message for event in sent}
    refused = {body_of(e, MessageFailed).message for e in story.all(MessageFailed, lambda b: b.final)} - arrived
    text = f"{len(arrived)} of {len(queued)} messages sent"
    if sent:
        begin = story.opened.detected_at if story.opened else None
        text += f", the first {length(begin, sent[0].at)} after detection {story.cite(sent[0])}"
    if refused:
        text += f", {len(refused)} not taken by their channel"
    return f"{text}. Clear or unclear to its readers: {UNKNOWN}"


def action_items(story: Story, section: Section) -> Lines:
    """Those a person noted, then the runbook's defaults; then its lists of improvements and procedures."""
    runbook = story.runbook
    numbered = [f"{escaped(_text(event))} {story.cite(event)}" for event in story.notes("action")]
    numbered += [escaped(text) for text in runbook.post_mortem.actions.values()] if runbook else []
    lines = [f"{number}. [ ] {text}" for number, text in enumerate(numbered, 1)] or [UNKNOWN]
    if runbook is None:
        return lines
    for title, items in (
        ("Improve safety measures", runbook.post_mortem.improvements),
        ("Update procedures", runbook.post_mortem.procedure_updates),
    ):
        if items:
            lines += ["", f"### {title}", "", *(f"- [ ] {escaped(text)}" for text in items.values())]
    return lines


def _text(event: Event) -> str:
    return body_of(event, NoteAdded).text.strip()


def _note(story: Story, event: Event) -> str:
    return f"- {escaped(_text(event), 2000)} ({escaped(event.actor.name)}) {story.cite(event)}"


def _colon(text: str) -> str:
    return f": {escaped(text)}" if text.strip() else ""


SECTIONS: dict[str, Callable[[Story, Section], Lines]] = {
    "what-happened": what_happened,
    "timeline": timeline,
    "root-cause": root_cause,
    "impact": impact,
    "went-well": went_well,
    "went-wrong": went_wrong,
    "action-items": action_items,
}
"""By the ids of the default runbook's outline. A section of another id is its prompts, for a person to fill in."""
