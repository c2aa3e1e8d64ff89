"""The post-mortem in Markdown, from the journal alone: the runbook's outline, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from warroom.model.event import (
    Attached,
    CheckEnded,
    Event,
    EvidenceCollected,
    EvidenceSealed,
    IncidentClosed,
    NoteAdded,
    ProofEnded,
    TriggerChanged,
)
from warroom.model.runbook import Section
from warroom.model.severity import severity_of
from warroom.model.signal import TriggerReading
from warroom.model.units import value_text
from warroom.model.words import words
from warroom.report.markdown import code, escaped, sparkline, table
from warroom.report.rows import rows
from warroom.report.sections import SECTIONS
from warroom.report.story import UNKNOWN, Story, body_of

OUTLINE = {
    "what-happened": "What Happened",
    "timeline": "Timeline",
    "root-cause": "Root Cause",
    "impact": "Impact",
    "went-well": "What Went Well",
    "went-wrong": "What Went Wrong",
    "action-items": "Action Items",
}
"""Used where the journal has no runbook to take the outline from."""
MOST_FILES = 500


def post_mortem(events: Sequence[Event], *, now: datetime) -> str:
    """The whole document. Never raises for a journal that is short, unfinished or strange: it says "unknown"."""
    story = Story(events, now)
    if not story.events:
        return f"# Incident Report\n\n{UNKNOWN}: the journal is empty.\n"
    lines = [*_head(story)]
    for section_id, section in _outline(story):
        write = SECTIONS.get(section_id)
        lines += ["", f"## {escaped(section.title)}", ""]
        lines += write(story, section) if write else _to_fill_in(section)
    for title, body in (
        ("Rows", rows(story)),
        ("Readings", _readings(story)),
        ("Verification", _verification(story)),
        ("Evidence", _evidence(story)),
    ):
        lines += ["", f"## {title}", "", *body] if body else []
    return "\n".join([*lines, *_sources(story), ""])


def _outline(story: Story) -> Iterator[tuple[str, Section]]:
    sections = story.runbook.post_mortem.sections if story.runbook else {}
    yield from sections.items()
    # What an outline leaves out is told all the same: no report is without what went wrong.
    for section_id, title in OUTLINE.items():
        if section_id not in sections:
            yield section_id, Section(title=title)


def _to_fill_in(section: Section) -> list[str]:
    return [f"- {escaped(prompt)}: {UNKNOWN}" for prompt in section.prompts] or [UNKNOWN]


def _head(story: Story) -> list[str]:
    opened, runbook = story.opened, story.runbook
    date = (opened.detected_at if opened else story.events[0].at).date()
    lines = [f"# Incident Report – {date}", ""]
    if opened is None or runbook is None:
        return [*lines, f"Incident: {UNKNOWN}"]
    environment = runbook.environment.kind
    began_on, _ = story.began_on()
    name = f", {escaped(runbook.environment.name)}" if runbook.environment.name else ""
    lines += [
        f"- Incident: {code(opened.incident)} {story.cite(story.opening)}",
        f"- Service: {escaped(runbook.service)} ({environment}{name})",
        f"- Severity: {severity_of(story.events) or UNKNOWN}",
        f"- Outcome: {_outcome(story)}",
        f"- From: {escaped(began_on.name) if began_on else UNKNOWN}",
        f"- To: {escaped(story.run_target() or UNKNOWN)}",
        f"- Post-mortem: {_scheduled(story)}",
        f"- Written: {story.now:%Y-%m-%d %H:%M} UTC from {len(story.events):,} journal entries",
    ]
    if environment == "drill":
        scenario = f" of the scenario {escaped(opened.scenario)}" if opened.scenario else ""
        lines.insert(2, f"**This was a drill{scenario}, not production.**\n")
    return lines


def _outcome(story: Story) -> str:
    if story.closing is None:
        return f"{UNKNOWN}: the incident is still open"
    body = body_of(story.closing, IncidentClosed)
    reason = f": {escaped(body.reason)}" if body.reason.strip() else ""
    return f"{body.outcome}{reason} {story.cite(story.closing)}"


def _scheduled(story: Story) -> str:
    note = story.last(NoteAdded, lambda b: b.about == "post-mortem-at")
    if note is not None:
        return f"{escaped(body_of(note, NoteAdded).text)} {story.cite(note)}"
    runbook, opened = story.runbook, story.opened
    if runbook is None or opened is None:
        return UNKNOWN
    due = (story.closing.at if story.closing else opened.detected_at) + timedelta(seconds=runbook.post_mortem.within)
    return f"not scheduled; due by {due:%Y-%m-%d %H:%M} UTC"


def _readings(story: Story) -> list[str]:
    """Each trigger's values as the journal has them: at its changes, so the bars are not evenly spaced in time."""
    found: dict[str, list[tuple[TriggerReading, Event]]] = {}
    if story.opened is not None and story.opening is not None:
        for reading in story.opened.triggers:
            found.setdefault(reading.id, []).append((reading, story.opening))
    for event in story.all(TriggerChanged):
        reading = body_of(event, TriggerChanged).reading
        found.setdefault(reading.id, []).append((reading, event))
    lines = []
    for readings in found.values():
        known = [(reading.value, event) for reading, event in readings if reading.value is not None]
        last, at = readings[-1]
        unit = _unit(story, last.signal)
        if not known:
            lines.append(f"- {escaped(last.title)}: {UNKNOWN} {story.cite(at)}")
            continue
        highest, when = max(known, key=lambda pair: pair[0])
        limit = f", limit {value_text(last.limit, unit)}" if last.limit is not None and unit != "state" else ""
        top = f"highest {value_text(highest, unit)} {story.cite(when)}, " if unit != "state" else ""
        bars = sparkline(value for value, _ in known)
        lines.append(
            f"- {escaped(last.title)}: {bars} from {value_text(known[0][0], unit)} {story.cite(known[0][1])}, "
            f"{top}last {value_text(known[-1][0], unit)} {story.cite(known[-1][1])}{limit}"
        )
    return lines or [UNKNOWN]


def _unit(story: Story, signal: str) -> str:
    declared = story.runbook.signals.get(signal) if story.runbook else None
    return declared.unit if declared else "count"


def _verification(story: Story) -> list[str]:
    """The last result of each check."""
    last = {body_of(event, CheckEnded).result.id: event for event in story.all(CheckEnded)}
    if not last:
        return [f"{UNKNOWN}: no check ran."]
    found = []
    for event in last.values():
        result = body_of(event, CheckEnded).result
        found.append([escaped(result.title), result.verdict.upper(), escaped(result.words), story.cite(event)])
    return table(("Check", "Verdict", "What was seen", "Entry"), found)


def _evidence(story: Story) -> list[str]:
    lines = []
    for event in story.all(EvidenceSealed):
        body = body_of(event, EvidenceSealed)
        many = f"{body.files} file{'' if body.files == 1 else 's'}"
        lines.append(
            f"- Bundle {code(body.bundle)}: {many}, {body.size:,} bytes, manifest {code(body.seal)}, "
            f"in {code(body.path)} {story.cite(event)}"
        )
    for event in story.all(ProofEnded):
        lines.append(f"- {escaped(words(event))} {story.cite(event)}")
    files = [
        [code(a.name), escaped(a.collector), f"{a.size:,}", code(a.sha256), story.cite(event)]
        for event in story.all(EvidenceCollected)
        for a in body_of(event, EvidenceCollected).artifacts
    ]
    for event in story.all(Attached):
        attached = body_of(event, Attached)
        files.append([code(attached.name), "attached", f"{attached.size:,}", code(attached.sha256), story.cite(event)])
    if not files:
        return lines or ["No evidence was captured."]
    lines += ["", *table(("File", "From", "Bytes", "SHA-256", "Entry"), files[:MOST_FILES])]
    if len(files) > MOST_FILES:
        lines += ["", f"… {len(files) - MOST_FILES} more files, all of them in the manifest."]
    return lines


def _sources(story: Story) -> Iterator[str]:
    """Every entry that the text cites, and where its ``[#…]`` leads."""
    yield from ("", "## Sources", "", "Entries of the incident's journal; `warroom journal show` has them whole.", "")
    cited = [event for event in story.events if event.seq in story.cited]
    for event in cited:
        who = escaped(event.actor.name)
        at = f"{event.at:%Y-%m-%d %H:%M:%S} UTC"
        yield f'- <a id="entry-{event.seq}"></a>entry {event.seq} · {at} · {who} · {escaped(story.words(event))}'
    yield ""
    for event in cited:
        yield f"[#{event.seq}]: #entry-{event.seq}"
