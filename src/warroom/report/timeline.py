"""The timeline: the four moments the runbook asks for, in their place among what else is worth a line."""

from __future__ import annotations

from datetime import datetime

from warroom.model.event import (
    AbortAsked,
    Decided,
    EngineStarted,
    Escalated,
    Event,
    EvidenceSealed,
    IncidentClosed,
    IncidentOpened,
    MessageQueued,
    MessageSent,
    NoteAdded,
    PlanApproved,
    ProofEnded,
    ReleaseChanged,
    RunEnded,
    RunStarted,
    StepEnded,
    StepResolved,
    TargetChosen,
    TriggerChanged,
    VerificationEnded,
    WatchEnded,
    WheelTaken,
)
from warroom.model.runbook import Section
from warroom.model.units import downtime_s
from warroom.report.markdown import escaped
from warroom.report.story import UNKNOWN, Story, body_of

_ALWAYS = (
    AbortAsked,
    Decided,
    Escalated,
    EvidenceSealed,
    IncidentClosed,
    MessageSent,
    PlanApproved,
    ProofEnded,
    ReleaseChanged,
    RunEnded,
    RunStarted,
    StepResolved,
    TargetChosen,
    VerificationEnded,
    WatchEnded,
    WheelTaken,
)
MOST_LINES = 300
Line = tuple[datetime, int, str]
"""When, the entry it comes from (for order), and the words as Markdown."""


def timeline(story: Story, section: Section) -> list[str]:
    """In the journal's order, which no clock can upset; only the moments before the journal began go by their time."""
    moments = _moments(story)
    named = {event.seq for _, _, event in moments.values() if event is not None}
    lines: list[Line] = []
    for title, (when, what, event) in moments.items():
        if when is not None and event is not None:
            early = event.seq == 1 and isinstance(event.body, IncidentOpened)
            lines.append((when, 0 if early else event.seq, f"**{title}**: {what} {story.cite(event)}"))
    for event in story.events:
        if event.seq not in named and _worth(event, story):
            who = "" if event.actor.kind == "engine" else f"{escaped(event.actor.name)} "
            lines.append((event.at, event.seq, f"{who}{_said(event, story)} {story.cite(event)}"))
    before = sorted(line for line in lines if line[1] == 0)
    journaled = sorted((line for line in lines if line[1] > 0), key=lambda line: line[1])
    shown = [*before, *journaled]
    text = [f"- {_when(story, when)} – {said}" for when, _, said in shown[:MOST_LINES]]
    if len(shown) > MOST_LINES:
        text.append(f"- … {len(shown) - MOST_LINES} more, all of them in the journal")
    missing = [title for title, (when, _, _) in moments.items() if when is None]
    return text + [f"- {title}: {UNKNOWN}" for title in missing]


def _when(story: Story, moment: datetime) -> str:
    after = story.after(moment)
    return f"{story.clock(moment)}{f' ({after})' if after else ''}"


def _moments(story: Story) -> dict[str, tuple[datetime | None, str, Event | None]]:
    """The runbook's four moments: when, in which words, by which entry."""
    opened = story.opened
    deployed = story.deployment()
    started, restored = story.rollback_started, story.recovery
    return {
        "Deployment started": (deployed[0], escaped(deployed[1]), deployed[2]) if deployed else (None, "", None),
        "First error detected": (
            opened.detected_at if opened else None,
            escaped(opened.title) if opened else "",
            story.opening,
        ),
        "Rollback initiated": (
            started.at if started else None,
            f"{escaped(started.actor.name)} {escaped(story.words(started))}" if started else "",
            started,
        ),
        "Service restored": (
            restored.at if restored else None,
            escaped(story.words(restored)) if restored else "",
            restored,
        ),
    }


def _said(event: Event, story: Story) -> str:
    """The entry's own words; a message by its title, since its id says nothing to a reader."""
    body = event.body
    if not isinstance(body, MessageSent):
        return escaped(story.words(event))
    sent = body.message
    queued = story.first(MessageQueued, lambda queued: queued.message == sent)
    template = body_of(queued, MessageQueued).template if queued is not None else UNKNOWN
    known = story.runbook.templates.get(template) if story.runbook is not None else None
    how = "sent by hand" if body.by_hand else "sent"
    return f"{how} the message {escaped(known.title if known is not None else template)}"


def _worth(event: Event, story: Story) -> bool:
    body = event.body
    if isinstance(body, _ALWAYS):
        return True
    if isinstance(body, TriggerChanged):
        return "firing" in (body.was, body.reading.status)
    if isinstance(body, StepEnded):
        return body.status != "done" or downtime_s(body.outputs) is not None
    if isinstance(body, NoteAdded):
        return body.about == "note"
    # The first start belongs to the opening; a later one means that warroom itself was away.
    return isinstance(body, EngineStarted) and story.first(EngineStarted) is not event
