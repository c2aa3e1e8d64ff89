"""What became of every line of the procedures that warroom was made for: implemented, manual, or not yet.

``coverage.yaml`` says where each line went. How far that is carried out is worked out here from the runbook in force: a
trigger whose signal nobody measures is not there yet, however well it is described, and a step without an operation is
manual. So the same line may stand differently for two services.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from pydantic import JsonValue

from warroom.api import Plugin
from warroom.errors import WarroomError
from warroom.model.base import Fact
from warroom.model.runbook import CheckDecl, Condition, Procedure, Runbook, StepDecl
from warroom.runbook.cross_plugins import PluginSource
from warroom.runbook.nodes import as_json, compose

COVERAGE_FILE = Path(__file__).with_name("coverage.yaml")

Status = Literal["implemented", "manual", "not-yet"]
STATUSES: tuple[Status, ...] = get_args(Status)

PARTS = {
    "triggers": "warroom.signals",
    "tree": "warroom.decision",
    "procedures": "warroom.actions",
    "verification": "warroom.actions",
    "templates": "warroom.comms",
    "escalation": "warroom.engine",
    "watch": "warroom.engine",
    "post_mortem": "warroom.report",
}
"""The part of warroom that carries a section out; without it, nothing in the section is implemented."""


class Line(Fact):
    """One line of the procedures: a stable id, its words, and where it went."""

    id: str
    says: str
    at: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    collects: str | None = None
    checks: str | None = None
    opt_in: str | None = None
    command: str | None = None
    not_yet: str = ""


class _Section(Fact):
    section: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Covered:
    """``where`` is a path into the runbook or a command; ``why`` says what is missing, or who does it."""

    id: str
    section: str
    says: str
    status: Status
    where: str
    why: str


@cache
def lines() -> tuple[tuple[str, Line], ...]:
    """(section, line) for every line, in the procedures' order."""
    root = compose(COVERAGE_FILE.read_text(encoding="utf-8"), str(COVERAGE_FILE)).root
    sections = [_Section.model_validate(each) for each in _list(as_json(root))]
    return tuple((section.section, line) for section in sections for line in section.lines)


def coverage(runbook: Runbook, *, commands: Collection[str], plugins: PluginSource | None = None) -> list[Covered]:
    """Every line with its status in this runbook. ``commands`` are those that this warroom has."""
    from warroom import plugins as installed

    reader = _Reader(runbook, frozenset(commands), _loaded(runbook, plugins or installed))
    return [reader.covered(section, line) for section, line in lines()]


def totals(covered: Iterable[Covered]) -> dict[Status, int]:
    """How many lines have each status."""
    counted = Counter(each.status for each in covered)
    return {status: counted[status] for status in STATUSES}


def _list(value: JsonValue) -> Sequence[JsonValue]:
    assert isinstance(value, list)
    return value


def _loaded(runbook: Runbook, source: PluginSource) -> tuple[Plugin, ...]:
    found = []
    for name in dict.fromkeys(platform.plugin for platform in runbook.platforms.values()):
        try:
            found.append(source.load(name))
        except WarroomError:
            continue  # a plugin that can't be loaded implements nothing
    return tuple(found)


Verdict = tuple[Status, str]
DONE: Verdict = ("implemented", "")


class _Reader:
    """Reads off a runbook how far a line of the procedures is carried out."""

    def __init__(self, runbook: Runbook, commands: frozenset[str], plugins: tuple[Plugin, ...]) -> None:
        self.book = runbook
        self.data: JsonValue = runbook.model_dump(mode="json", by_alias=True)
        self.commands = commands
        self.plugins = plugins

    def covered(self, section: str, line: Line) -> Covered:
        status, why = self._line(line)
        where = ", ".join(self._paths(line)) or (f"warroom {line.command}" if line.command else "")
        return Covered(line.id, section, line.says, status, where, why)

    def _line(self, line: Line) -> Verdict:
        if line.not_yet:
            return "not-yet", line.not_yet
        verdicts = list(self._verdicts(line))
        return max(verdicts, key=lambda verdict: STATUSES.index(verdict[0]))

    def _verdicts(self, line: Line) -> Iterator[Verdict]:
        if line.command is not None:
            known = line.command in self.commands
            yield DONE if known else ("not-yet", f"there is no command {line.command}")
        if line.opt_in is not None:
            turned_on = self._exists([line.opt_in])
            yield DONE if turned_on else ("not-yet", f"off: this runbook has no {line.opt_in}")
        elif line.checks is not None:
            has = any(check.use.partition(".")[2] == line.checks for check in self.book.verification.values())
            yield DONE if has else ("not-yet", f"this runbook's verification has no check {line.checks}")
        elif line.collects is not None:
            yield self._collects(line.collects)
        else:
            yield from (self.at(path) for path in self._paths(line))

    def _paths(self, line: Line) -> tuple[str, ...]:
        there = all(self._exists(path.split(".")) for path in line.at)
        others = bool(line.instead) and all(self._exists(path.split(".")) for path in line.instead)
        return line.instead if others and not there else line.at

    def at(self, path: str) -> Verdict:
        """How far what stands at ``path`` is carried out."""
        parts = path.split(".")
        if not self._exists(parts):
            return "not-yet", f"this runbook has no {path}"
        section, rest = parts[0], parts[1:]
        part = PARTS.get(section)
        if part is not None and find_spec(part) is None:
            return "not-yet", f"{part} is not there"
        reader = _READERS.get(section)
        return reader(self, rest) if reader is not None else DONE

    def _exists(self, parts: Sequence[str]) -> bool:
        here = self.data
        for part in parts:
            if isinstance(here, dict) and part in here:
                here = here[part]
            elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
                here = here[int(part)]
            else:
                return False
        return here is not None

    def _collects(self, kind: str) -> Verdict:
        if any(kind in collector.kinds for plugin in self.plugins for collector in plugin.collectors):
            return DONE
        return "not-yet", f"no platform of this runbook collects evidence of the kind {kind}"

    def _measured(self, signals: Iterable[str]) -> Verdict:
        """Whether any of the signals is measured."""
        unmeasured = []
        for signal_id in dict.fromkeys(signals):
            signal = self.book.signals.get(signal_id)
            if signal is not None and signal.source is not None:
                return DONE
            unmeasured.append(signal_id)
        return "not-yet", f"nobody measures {', '.join(unmeasured)}"

    def _trigger(self, rest: Sequence[str]) -> Verdict:
        conditions: Mapping[str, Condition] = self.book.triggers[rest[0]].conditions if rest else {}
        if len(rest) > 2 and rest[1] == "conditions":
            return self._measured([conditions[rest[2]].signal])
        return self._measured(condition.signal for condition in conditions.values())

    def _tree(self, rest: Sequence[str]) -> Verdict:
        if rest[:1] != ["questions"] or len(rest) < 2:
            return DONE
        source = self.book.tree.questions[rest[1]].from_
        if source is None:
            return "manual", "a person answers"
        if source.by == "trend":
            return self._measured([source.signal])
        if source.by == "timer":
            return DONE
        return self._measured(condition.signal for _, _, _, condition in self.book.conditions())

    def _checklist(self, rest: Sequence[str]) -> Verdict:
        if len(rest) < 3:
            return DONE
        if "hints" in rest:
            return "manual", "shown below its line, for a person to do"
        item = self.book.checklists[rest[0]].items[rest[2]]
        for item_id in rest[4::2]:
            item = item.items[item_id]
        return DONE if item.done_when else ("manual", "a person ticks it")

    def _procedure(self, rest: Sequence[str]) -> Verdict:
        if len(rest) > 2 and rest[1] == "steps":
            return _step(self.book.procedures[rest[0]].steps[rest[2]])
        if len(rest) == 1:
            return _steps([self.book.procedures[rest[0]]])
        return DONE if rest else _steps(self.book.procedures.values())

    def _check(self, rest: Sequence[str]) -> Verdict:
        if not rest:
            return DONE if self.book.verification else ("not-yet", "this runbook verifies nothing")
        check: CheckDecl = self.book.verification[rest[0]]
        if check.use == "ask-a-person":
            return "manual", "a person says so"
        if check.use == "signal-within":
            return self._measured([str(check.with_.get("signal"))])
        if check.use == "triggers-quiet":
            return self._measured(condition.signal for _, _, _, condition in self.book.conditions())
        if check.use == "running-is-target" and not any(plugin.releases for plugin in self.plugins):
            return "not-yet", "no platform of this runbook says what runs"
        if check.use == "logs-clean" and not any(plugin.logs for plugin in self.plugins):
            return "not-yet", "no platform of this runbook gives logs"
        return DONE

    def _contact(self, rest: Sequence[str]) -> Verdict:
        silent = [name for name in rest[:1] or self.book.contacts if not self.book.contacts[name].reach]
        return ("not-yet", f"no way to reach {', '.join(silent)} is given") if silent else DONE

    def _post_mortem(self, rest: Sequence[str]) -> Verdict:
        by_hand = rest[:1] in (["improvements"], ["procedure_updates"])
        return ("manual", "asked in the report; people do it") if by_hand else DONE


def _step(step: StepDecl) -> Verdict:
    return DONE if step.op is not None else ("manual", "a person runs it, with the exact lines to paste")


def _steps(procedures: Iterable[Procedure]) -> Verdict:
    by_hand = any(step.op is None for procedure in procedures for step in procedure.steps.values())
    return ("manual", "some of its steps are done by a person") if by_hand else DONE


_READERS = {
    "triggers": _Reader._trigger,
    "tree": _Reader._tree,
    "checklists": _Reader._checklist,
    "procedures": _Reader._procedure,
    "verification": _Reader._check,
    "contacts": _Reader._contact,
    "post_mortem": _Reader._post_mortem,
}
