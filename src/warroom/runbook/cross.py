"""What one part of a runbook says of another: every name that is used must be there, and mean something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from warroom.api import SignalOffer
from warroom.model.checks import BUILT_IN_CHECKS, CountsMatch, SignalWithin
from warroom.model.plan import Risk
from warroom.model.runbook import CheckDecl, Condition, Procedure, Runbook, StepDecl
from warroom.runbook.nodes import Map, Node, lookup
from warroom.runbook.problems import Pos, Problem, meant, one_of, plain, quoted
from warroom.runbook.shape import Path, explain

PLACEHOLDERS = (
    "incident",
    "service",
    *(f"{who}.{part}" for who in ("target", "running") for part in ("version", "commit", "digest")),
)
"""What ``${…}`` may name, in a step's arguments and in what a person is told to do."""

WINDOWED = ("timer", "trend")
LIMITS = ("above", "below", "equals", "above_baseline")
"""A condition has one of these."""

_PLACEHOLDER = re.compile(r"\$\{([^}\n]*)\}?")


@dataclass
class Cross:
    """The runbook with the places of its values.

    ``root`` is the tree that ``runbook`` was made of: without the entries that have mistakes of their own. ``whole`` is
    the tree with them; a name that only those have is still known.
    """

    runbook: Runbook
    root: Map
    whole: Map
    default_file: str
    removed: dict[tuple[str, str], Pos]
    problems: list[Problem] = field(default_factory=list)
    offers: dict[str, SignalOffer] = field(default_factory=dict)
    """By the runbook's signal: what its platform says of it, where known. ``risks``: by ``platform.operation``."""
    risks: dict[str, Risk] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)

    def known(self, *path: str) -> tuple[str, ...]:
        """The keys at ``path``, in the file as it is and in what stands in for sections with mistakes."""
        names: dict[str, None] = {}
        for tree in (self.whole, self.root):
            node: Node | None = tree
            for part in path:
                node = node.entries[part][1] if isinstance(node, Map) and part in node.entries else None
            names.update(dict.fromkeys(node.entries if isinstance(node, Map) else ()))
        return tuple(names)

    def intact(self, section: str) -> bool:
        """False where another section stands in for one with mistakes."""
        return self.root.entries.get(section) is self.whole.entries.get(section)

    def key(self, *path: str | int) -> Pos:
        return lookup(self.root, path)[0]

    def value(self, *path: str | int) -> Pos:
        return lookup(self.root, path)[1].pos

    def wrong(self, pos: Pos, found: str, expected: str, hint: str = "") -> None:
        self.problems.append(Problem(pos, found, expected, hint))

    def name(self, what: str, name: str, section: str, *path: str | int) -> bool:
        """Tells when ``name``, used at ``path``, is not in the section. True when it is."""
        known = self.known(section)
        if name in known:
            return True
        pos = self.value(*path)
        gone = self.removed.get((section, name))
        if gone is not None and pos.file == self.default_file:
            user = ".".join(str(part) for part in path[:2])
            self.wrong(gone, f"nothing for the {what} {quoted(name)}", f"an entry: {user} of the default uses it")
        else:
            self.wrong(pos, f"the unknown {what} {quoted(name)}", one_of(known), meant(name, known))
        return False


def cross_check(cross: Cross) -> None:
    """Adds to ``cross.problems`` whatever does not fit together. What plugins know is checked elsewhere."""
    _components(cross)
    _conditions(cross)
    _windows(cross)
    _checklists(cross)
    _people(cross)
    _platforms(cross)
    for procedure_id, procedure in cross.runbook.procedures.items():
        for step_id, step in procedure.steps.items():
            _step(cross, step, ("procedures", procedure_id, "steps", step_id), choices_of(procedure))
        _choices(cross, procedure, ("procedures", procedure_id, "choices"))
        _leading(cross, procedure, ("procedures", procedure_id))
    for check_id, check in cross.runbook.verification.items():
        _check(cross, check, ("verification", check_id))


def _components(cross: Cross) -> None:
    for component_id, component in cross.runbook.components.items():
        cross.name("signal", component.signal, "signals", "components", component_id, "signal")


def _conditions(cross: Cross) -> None:
    seen: dict[str, Pos] = {}
    for trigger_id, _, condition_id, condition in cross.runbook.conditions():
        path: Path = ("triggers", trigger_id, "conditions", condition_id)
        known = cross.name("signal", condition.signal, "signals", *path, "signal")
        first = seen.setdefault(condition_id, cross.key(*path))
        if first != cross.key(*path):
            cross.wrong(
                cross.key(*path),
                f"the condition {quoted(condition_id)} again",
                f"a name of its own: it stands on line {first.line} of {plain(first.file)} already",
            )
        _limit(cross, condition, path, known)


def _limit(cross: Cross, condition: Condition, path: Path, known: bool) -> None:
    limits = {name: getattr(condition, name) for name in LIMITS}
    given = [name for name, limit in limits.items() if limit is not None]
    if not given:
        cross.wrong(cross.key(*path), f"no limit in {path[-1]}", f"one of {', '.join(LIMITS)}")
    elif len(given) > 1:
        cross.wrong(cross.key(*path, given[1]), f"both {' and '.join(given)}", "one limit in a condition")
    if condition.clear_below is not None:
        if condition.above is None and condition.above_baseline is None:
            cross.wrong(cross.key(*path, "clear_below"), "clear_below without above", "it beside above only")
        elif condition.above is not None and condition.clear_below > condition.above:
            at = cross.value(*path, "clear_below")
            cross.wrong(at, f"clear_below {condition.clear_below:g}", f"at most the limit, {condition.above:g}")
    signal = cross.runbook.signals.get(condition.signal) if known else None
    if signal is None or signal.unit not in ("ratio", "state"):
        return
    if signal.unit == "state" and condition.above_baseline is not None:
        at = cross.key(*path, "above_baseline")
        cross.wrong(at, "above_baseline for a state", "a signal that has more than two values")
    for name in given:
        if name != "above_baseline" and not 0 <= limits[name] <= 1:
            hint = "5 % is 0.05" if signal.unit == "ratio" else "a state is 1 when well, 0 when not"
            at = cross.value(*path, name)
            cross.wrong(at, f"the number {limits[name]:g} for a {signal.unit}", "a number from 0 to 1", hint)


def _windows(cross: Cross) -> None:
    book = cross.runbook
    if not book.drill_windows or not cross.intact("environment"):
        return
    if book.environment.kind != "drill":
        at = cross.key("drill_windows")
        cross.wrong(at, f"drill_windows in a {book.environment.kind} environment", "them only where kind is drill")
    names = [c for trigger_id in cross.known("triggers") for c in cross.known("triggers", trigger_id, "conditions")]
    names += [q for q, question in book.tree.questions.items() if question.from_ and question.from_.by in WINDOWED]
    names += ["watch"] if cross.intact("tree") else ["watch", *cross.known("tree", "questions")]
    for name in book.drill_windows:
        if name not in names:
            at = cross.key("drill_windows", name)
            expected = "the name of a condition, of a question by timer or trend, or watch"
            cross.wrong(at, f"the unknown name {quoted(name)}", expected, meant(name, names))


def _checklists(cross: Cross) -> None:
    seen: dict[str, Pos] = {}

    def walk(node: Node) -> None:
        if not isinstance(node, Map):
            return
        for item_id, (pos, item) in node.entries.items():
            first = seen.setdefault(item_id, pos)
            if first is not pos:
                expected = f"a name of its own: line {first.line} of {plain(first.file)} has it already"
                cross.wrong(pos, f"the checklist line {quoted(item_id)} again", expected)
            if isinstance(item, Map) and "items" in item.entries:
                walk(item.entries["items"][1])

    for checklist_id in cross.runbook.checklists:
        walk(lookup(cross.root, ("checklists", checklist_id, "items"))[1])


def _people(cross: Cross) -> None:
    before = -1.0
    for index, step in enumerate(cross.runbook.escalation):
        for number, contact in enumerate(step.contacts):
            cross.name("contact", contact, "contacts", "escalation", index, "contacts", number)
        if step.after <= before:
            at = cross.value("escalation", index, "after")
            cross.wrong(at, f"after {step.after:g} s", f"later than the step before it, {before:g} s")
        before = max(before, step.after)


def _platforms(cross: Cross) -> None:
    book = cross.runbook
    for platform_id in book.environment.fingerprints:
        if platform_id not in cross.known("platforms"):
            at = cross.key("environment", "fingerprints", platform_id)
            known = cross.known("platforms")
            cross.wrong(at, f"the unknown platform {quoted(platform_id)}", one_of(known), meant(platform_id, known))
    for signal_id, signal in book.signals.items():
        if signal.source is not None:
            cross.name("platform", signal.source.platform, "platforms", "signals", signal_id, "source", "platform")
    for channel_id, channel in book.channels.items():
        cross.name("platform", channel.platform, "platforms", "channels", channel_id, "platform")
    for procedure_id, procedure in book.procedures.items():
        for index, platform_id in enumerate(procedure.needs):
            cross.name("platform", platform_id, "platforms", "procedures", procedure_id, "needs", index)


def _choices(cross: Cross, procedure: Procedure, path: Path) -> None:
    """Each has a platform to ask, and is asked for because a step has it: nobody chooses for nothing."""
    used = {m[1] for text in _said(procedure) for m in _PLACEHOLDER.finditer(text)}
    for choice_id, choice in procedure.choices.items():
        cross.name("platform", choice.use.partition(".")[0], "platforms", *path, choice_id, "use")
        if f"choice.{choice_id}" not in used:
            found = f"the choice {quoted(choice_id)}, which no step has"
            cross.wrong(cross.key(*path, choice_id), found, f"${{choice.{choice_id}}} in a step, or no such choice")


def _leading(cross: Cross, procedure: Procedure, path: Path) -> None:
    """Of the default's own, a file may have taken out what they name: then they lead nowhere."""
    known = [c for trigger_id in cross.known("triggers") for c in cross.known("triggers", trigger_id, "conditions")]
    for index, name in enumerate(procedure.first_for):
        at = cross.value(*path, "first_for", index)
        if name not in known and at.file != cross.default_file:
            cross.wrong(at, f"the unknown condition {quoted(name)}", one_of(known), meant(name, known))
    if procedure.then is not None and cross.value(*path, "then").file != cross.default_file:
        cross.name("procedure", procedure.then, "procedures", *path, "then")


def _said(procedure: Procedure) -> Iterator[str]:
    for step in procedure.steps.values():
        for _, text in _texts(step.with_, ()):
            yield text
        if step.manual is not None:
            yield from (step.manual.do, *step.manual.commands)


def _step(cross: Cross, step: StepDecl, path: Path, choices: Sequence[str]) -> None:
    if (step.op is None) == (step.manual is None):
        found = "neither op nor manual" if step.op is None else "both op and manual"
        cross.wrong(cross.key(*path), f"{found} in {path[-1]}", "either an operation or a manual step")
    if step.with_ and step.op is None:
        cross.wrong(cross.key(*path, "with"), "with in a manual step", "it only beside op")
    if step.op is not None:
        platform_id = step.op.partition(".")[0]
        cross.name("platform", platform_id, "platforms", *path, "op")
    for where, text in _texts(step.with_, (*path, "with")):
        _placeholders(cross, text, where, choices)
    if step.manual is not None:
        told: dict[str, JsonValue] = {"do": step.manual.do, "commands": list(step.manual.commands)}
        for where, text in _texts(told, (*path, "manual")):
            _placeholders(cross, text, where, choices)


def _texts(value: JsonValue, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))


def _placeholders(cross: Cross, text: str, path: Path, choices: Sequence[str]) -> None:
    for found in unknown_placeholders(text, choices):
        name = found.removeprefix("${").removesuffix("}")
        known = (*PLACEHOLDERS, *choices)
        other = "a shell's own variable is written without braces"
        if name.startswith("choice."):
            other = f"its procedure declares it, with choices: {{{plain(name[7:])}: {{title: …, use: …}}}}"
        cross.wrong(cross.value(*path), quoted(found), f"${{…}} with {one_of(known)}", meant(name, known) or other)


def choices_of(procedure: Procedure) -> tuple[str, ...]:
    """The placeholders that the procedure's own choices fill."""
    return tuple(f"choice.{name}" for name in procedure.choices)


def unknown_placeholders(text: str, choices: Sequence[str] = ()) -> list[str]:
    """Every ``${…}`` of the text that names nothing, or is not closed. ``choices``: those of its procedure."""
    found: Iterable[re.Match[str]] = _PLACEHOLDER.finditer(text)
    return [m[0] for m in found if not m[0].endswith("}") or m[1] not in (*PLACEHOLDERS, *choices)]


def _check(cross: Cross, check: CheckDecl, path: Path) -> None:
    platform_id, dot, _ = check.use.partition(".")
    if dot:
        cross.name("platform", platform_id, "platforms", *path, "use")
        return
    model = BUILT_IN_CHECKS.get(check.use)
    if model is None:
        known = one_of(BUILT_IN_CHECKS)
        hint = meant(check.use, BUILT_IN_CHECKS)
        cross.wrong(
            cross.value(*path, "use"), f"the unknown check {quoted(check.use)}", f"platform.check, or {known}", hint
        )
        return
    try:
        args = model.model_validate(check.with_)
    except ValidationError as error:
        at = (*path, "with") if check.with_ else path
        cross.problems += explain(model, cross.root, error, at)
        return
    if isinstance(args, SignalWithin):
        cross.name("signal", args.signal, "signals", *path, "with", "signal")
        if args.below is None and args.above is None:
            cross.wrong(cross.key(*path, "with"), "no limit", "below, above, or both")
    if isinstance(args, CountsMatch):
        cross.name("platform", args.probe.partition(".")[0], "platforms", *path, "with", "probe")
