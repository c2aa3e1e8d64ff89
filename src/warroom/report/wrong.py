"""What went wrong in the process: whatever failed, was waived, was missing or could not be told."""

from __future__ import annotations

from warroom.model.event import (
    CheckEnded,
    Decided,
    EvidenceMissing,
    ItemMarked,
    MessageFailed,
    MessageSent,
    NoteAdded,
    PlanVoided,
    ProofEnded,
    RunEnded,
    RunStarted,
    StepEnded,
    WatchEnded,
)
from warroom.model.runbook import Section
from warroom.model.words import words
from warroom.report.markdown import escaped
from warroom.report.story import Story, because, body_of


def went_wrong(story: Story, section: Section) -> list[str]:
    lines = [
        *_steps(story),
        *_waived(story),
        *_evidence(story),
        *_checks(story),
        *_others(story),
        *(
            f"- {escaped(body_of(e, NoteAdded).text, 2000)} ({escaped(e.actor.name)}) {story.cite(e)}"
            for e in story.notes("wrong")
        ),
    ]
    return lines or ["- The journal shows nothing that failed, was waived or was missing."]


def _steps(story: Story) -> list[str]:
    said = {"failed": "failed", "unknown": "had an UNKNOWN outcome", "cancelled": "was cancelled"}
    lines = []
    for event in story.all(StepEnded, lambda b: b.status in said):
        body = body_of(event, StepEnded)
        steps = story.plans[body.plan].steps if body.plan in story.plans else ()
        title = next((step.title for step in steps if step.id == body.step), body.step)
        words = f": {escaped(body.detail)}" if body.detail else ""
        lines.append(f"- Step {escaped(title)} {said[body.status]}{words} {story.cite(event)}")
    for event in story.all(RunEnded, lambda b: b.outcome != "done"):
        ended = body_of(event, RunEnded)
        what = escaped(story.plans[ended.hash].title) if ended.hash in story.plans else "A run"
        words = f": {escaped(ended.detail)}" if ended.detail else ""
        lines.append(f"- {what} ended {ended.outcome.upper()}{words} {story.cite(event)}")
    return lines


def _waived(story: Story) -> list[str]:
    lines = []
    for event in story.all(RunStarted, lambda b: bool(b.waived)):
        for guard in body_of(event, RunStarted).waived:
            lines.append(f"- Guard waived by {escaped(event.actor.name)}: {escaped(guard)} {story.cite(event)}")
    # Only a mark that still stands: a line that was waived and then done after all went well.
    marks = {body_of(event, ItemMarked).item: event for event in story.all(ItemMarked)}
    sentences = {item_id: item.sentence for item_id, item in story.runbook.items()} if story.runbook else {}
    for item, event in marks.items():
        body = body_of(event, ItemMarked)
        if body.mark == "waived":
            what, who = escaped(sentences.get(item, item)), escaped(event.actor.name)
            lines.append(f"- Waived by {who}: {what}{because(body.reason)} {story.cite(event)}")
    for event in story.all(Decided, lambda b: not b.followed_advice):
        decided = body_of(event, Decided)
        who = escaped(event.actor.name)
        lines.append(
            f"- {who} decided {decided.choice} against the advice{because(decided.reason)} {story.cite(event)}"
        )
    return lines


def _evidence(story: Story) -> list[str]:
    lines = []
    for event in story.all(EvidenceMissing):
        body = body_of(event, EvidenceMissing)
        lines.append(f"- Evidence missing from {escaped(body.collector)}{because(body.reason)} {story.cite(event)}")
    for event in story.all(ProofEnded, lambda b: b.verdict != "pass"):
        lines.append(f"- {escaped(words(event))} {story.cite(event)}")
    return lines


def _checks(story: Story) -> list[str]:
    lines = []
    for event in story.all(CheckEnded, lambda b: b.result.verdict != "pass"):
        result = body_of(event, CheckEnded).result
        title, words = escaped(result.title), escaped(result.words)
        lines.append(f"- Check {title}: {result.verdict.upper()}, {words} {story.cite(event)}")
    return lines


def _others(story: Story) -> list[str]:
    sent = {body_of(event, MessageSent).message for event in story.all(MessageSent)}
    lines = []
    for event in story.all(MessageFailed, lambda b: b.final and b.message not in sent):
        lines.append(f"- A message was not sent{because(body_of(event, MessageFailed).reason)} {story.cite(event)}")
    for event in story.all(PlanVoided):
        lines.append(f"- A plan became void{because(body_of(event, PlanVoided).reason)} {story.cite(event)}")
    for event in story.all(WatchEnded, lambda b: not b.quiet):
        lines.append(f"- The watch saw trouble{because(body_of(event, WatchEnded).words)} {story.cite(event)}")
    if story.closing is not None and story.recovery is None:
        lines.append(f"- The incident was closed without a verified recovery {story.cite(story.closing)}")
    return lines
