"""What the commands print of a runbook. Plain lines and an exit status; nothing here writes to the screen."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from warroom.model.measuring import HOW
from warroom.model.runbook import Runbook
from warroom.model.units import listed, many
from warroom.runbook.coverage import Covered, Status, coverage, totals
from warroom.runbook.cross_plugins import PluginSource
from warroom.runbook.loader import default_runbook, installed, load
from warroom.runbook.problems import Problem, RunbookInvalid, plain
from warroom.runbook.schema import schema_text
from warroom.runbook.unset import unset

MOST_PROBLEMS = 200


def print_check(path: Path, plugins: PluginSource | None = None) -> tuple[list[str], int]:
    """``warroom check``: every mistake as ``file:line:column: …`` and 1, or what was read and 0."""
    try:
        loaded = load(path, plugins)
    except RunbookInvalid as invalid:
        return _problems(invalid.problems), 1
    lines = [f"warning: {warning}" for warning in loaded.warnings]
    return [*lines, *_summary(path, loaded.runbook), *unset(loaded.runbook, plugins or installed())], 0


def print_coverage(
    path: Path | None = None,
    status: Status | None = None,
    *,
    commands: Collection[str],
    plugins: PluginSource | None = None,
) -> list[str]:
    """``warroom runbook coverage``: every line with its status, of the file's runbook or of the default one.

    ``status`` keeps only the lines that have it; the totals are of all. Raises RunbookInvalid.
    """
    runbook = load(path, plugins).runbook if path is not None else default_runbook()
    covered = coverage(runbook, commands=commands, plugins=plugins)
    found = totals(covered)
    whose = f"of {plain(str(path))}" if path is not None else "of the default runbook"
    counts = ", ".join(f"{count} {name}" for name, count in found.items())
    shown = [each for each in covered if status in (None, each.status)]
    return [*_listing(shown), "", f"{len(covered)} lines {whose}: {counts}."]


def coverage_json(
    path: Path | None = None, *, commands: Collection[str], plugins: PluginSource | None = None
) -> list[dict[str, str]]:
    """The same for programs: one object a line. Raises RunbookInvalid."""
    runbook = load(path, plugins).runbook if path is not None else default_runbook()
    return [
        {
            "id": each.id,
            "section": each.section,
            "says": each.says,
            "status": each.status,
            "where": each.where,
            "why": each.why,
        }
        for each in coverage(runbook, commands=commands, plugins=plugins)
    ]


def print_schema() -> str:
    """``warroom schema``: the JSON Schema of a runbook's file."""
    return schema_text()


def _problems(problems: Iterable[Problem]) -> list[str]:
    told = [str(problem) for problem in problems]
    more = len(told) - MOST_PROBLEMS
    return [*told[:MOST_PROBLEMS], *([f"… and {more} more"] if more > 0 else []), f"{many(len(told), 'mistake')}."]


def _summary(path: Path, runbook: Runbook) -> list[str]:
    kind, name = runbook.environment.kind, plain(runbook.environment.name)
    environment = kind if name in ("", kind) else f"{kind} {name}"
    lines = [
        f"{plain(str(path))}: OK. {plain(runbook.service)}, {environment}: {many(len(runbook.triggers), 'trigger')}, "
        f"{many(len(runbook.procedures), 'procedure')}, {many(len(runbook.verification), 'check')}."
    ]
    lines += _by_whom(runbook)
    lines += _choosing(runbook)
    silent = [name for name, signal in runbook.signals.items() if signal.source is None]
    if silent:
        lines.append(
            f"Measured by nobody yet, so UNKNOWN: {listed(silent, 6)} ({len(silent)} of {len(runbook.signals)}); "
            f"how to feed them: {HOW}."
        )
    alone = [plain(contact.title) for contact in runbook.contacts.values() if not contact.reach]
    if alone:
        lines.append(f"No way to reach them is given yet: {listed(alone)}.")
    if not runbook.channels:
        lines.append("No channel is given: messages are shown, for a person to send.")
    return lines


def _choosing(runbook: Runbook) -> list[str]:
    asked: dict[str, list[str]] = {}
    for name, procedure in runbook.procedures.items():
        for choice in procedure.choices.values():
            asked.setdefault(plain(choice.title), []).append(plain(name))
    told = "; ".join(f"{title}, for {listed(names)}" for title, names in asked.items())
    return [f"A person chooses before the plan is made: {told}."] if told else []


def _by_whom(runbook: Runbook) -> list[str]:
    """Which procedures warroom runs, and which a person does: nobody should find out in the incident."""
    kinds: dict[str, list[str]] = {"whole": [], "part": []}
    for name, procedure in runbook.procedures.items():
        own = [step for step in procedure.steps.values() if not (step.if_needed or step.after_stop)]
        steps = own or list(procedure.steps.values())
        if any(step.op is not None for step in steps):
            kinds["whole" if all(step.op is not None for step in steps) else "part"].append(plain(name))
    if not any(kinds.values()):
        return ["Every procedure is done by hand, with the lines to paste: no step has an operation."]
    lines = [f"Run by warroom: {listed(kinds['whole'])}."] if kinds["whole"] else []
    return lines + ([f"Run by warroom in part, the rest by hand: {listed(kinds['part'])}."] if kinds["part"] else [])


def _listing(covered: Iterable[Covered]) -> list[str]:
    lines: list[str] = []
    section = None
    for each in covered:
        if each.section != section:
            section = each.section
            lines += ["", section] if lines else [section]
        why = f" ({each.why})" if each.why else ""
        where = f" → {each.where}" if each.where else ""
        lines.append(f"  {each.status:<11}  {each.id}  {each.says}{where}{why}")
    return lines
