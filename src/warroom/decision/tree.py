"""The runbook's decision tree, read again and again as things change.

A person's answer stands before the signals'. An open question ends the path: nothing is advised past what is known.
A timer runs from when its question was first reached, and goes on through a gap in the data; it begins again only when
a question before it has been answered otherwise meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from warroom.api import Clock
from warroom.decision.answers import Known, Said, Stopped, Trend, answer, known
from warroom.model.base import clock_text
from warroom.model.decision import TreeAnswer, TreeReading
from warroom.model.runbook import FromFiring, FromSeverity, FromTimer, Leaf, Question, Runbook
from warroom.model.signal import TriggerReading
from warroom.model.state import Override
from warroom.model.words import one_line

LONGEST_REASON = 200
LONGEST_WHY = 100
"""Characters: a reason is read in a hurry. The whole path stands beside it, with all its words."""
Way = tuple[tuple[str, str], ...]
"""The answers given so far: (question, answer) from the root."""


@dataclass(frozen=True, slots=True)
class _Reached:
    """When a timer's question was reached (monotonic), and by which answers. ``way`` None: restored, not known."""

    at: float
    way: Way | None


class TreeReader:
    """``reached`` are the times (UTC) at which questions were first reached, from before a restart."""

    def __init__(self, runbook: Runbook, clock: Clock, reached: Mapping[str, datetime] | None = None) -> None:
        self._runbook = runbook
        self._clock = clock
        now, wall = clock.monotonic(), clock.now()
        self._reached = {
            node: _Reached(now - max(0.0, (wall - at).total_seconds()), None) for node, at in (reached or {}).items()
        }

    def reached(self) -> dict[str, datetime]:
        """When each question whose timer runs was reached, in UTC, for a restarted reader."""
        now, wall = self._clock.monotonic(), self._clock.now()
        return {node: wall - timedelta(seconds=now - r.at) for node, r in self._reached.items()}

    def read(
        self,
        triggers: Mapping[str, TriggerReading],
        overrides: Mapping[str, Override],
        trend: Trend,
        stopped: Stopped | None = None,
    ) -> TreeReading:
        """Where the tree stands now. ``stopped`` where writes are: ``trend`` then goes by what came since."""
        facts = known(self._runbook, triggers, stopped)
        path, end = self._walk(facts, overrides, trend, {})
        self._remember(path)
        leaf = self._runbook.tree.leaves.get(end) if end is not None else None
        return TreeReading(
            path=tuple(path),
            leaf=end if leaf is not None else None,
            advice=leaf.advice if leaf is not None else None,
            title=leaf.title if leaf is not None else "",
            reason=self._reason(path, facts) if leaf is not None else "",
            would_change=self._would_change(path, end, facts, overrides, trend),
        )

    def _walk(
        self, facts: Known, overrides: Mapping[str, Override], trend: Trend, assumed: Mapping[str, str]
    ) -> tuple[list[TreeAnswer], str | None]:
        """The path, and the leaf that it ends in (None: at an open question). ``assumed`` answers are for what-ifs."""
        path: list[TreeAnswer] = []
        node: str | None = self._runbook.tree.root
        tree = self._runbook.tree
        while node is not None and node in tree.questions and all(node != step.node for step in path):
            question = tree.questions[node]
            step = self._step(node, question, facts, overrides, trend, _way(path))
            if node in assumed:
                step = step.model_copy(update={"answer": assumed[node]})
            path.append(step)
            node = question.answers.get(step.answer) if step.answer is not None else None
        return path, node if node in tree.leaves else None

    def _step(
        self,
        node: str,
        question: Question,
        facts: Known,
        overrides: Mapping[str, Override],
        trend: Trend,
        way: Way,
    ) -> TreeAnswer:
        wait = self._wait(node, question)
        said = answer(question, facts, self._in_force(node, trend), self._waited(node, way), wait)
        choices = tuple(question.answers)
        person = overrides.get(node)
        if person is not None and person.answer in question.answers:
            return TreeAnswer(
                node=node,
                ask=question.ask,
                answer=person.answer,
                choices=choices,
                by="person",
                who=person.by,
                reason=person.reason,
                evidence=_signals_say(said),
            )
        if said.answer is not None and said.answer not in question.answers:
            said = Said(None, "open", f"{said.evidence} ({said.answer!r} leads nowhere in this runbook)")
        return TreeAnswer(
            node=node, ask=question.ask, answer=said.answer, choices=choices, by=said.by, evidence=said.evidence
        )

    def _wait(self, node: str, question: Question) -> float:
        return self._runbook.window(node, question.from_.wait) if isinstance(question.from_, FromTimer) else 0.0

    def _in_force(self, node: str, trend: Trend) -> Trend:
        """A drill may shorten a trend's window as it does any other."""
        return lambda signal, over: trend(signal, self._runbook.window(node, over))

    def _waited(self, node: str, way: Way) -> float:
        reached = self._reached.get(node)
        if reached is None or (reached.way is not None and reached.way != way):
            return 0.0
        return max(0.0, self._clock.monotonic() - reached.at)

    def _remember(self, path: list[TreeAnswer]) -> None:
        """Keeps the time of every question on the path; forgets those whose way there is no longer the way taken."""
        now = self._clock.monotonic()
        taken = {step.node: step.answer for step in path if step.answer is not None}
        for node, reached in list(self._reached.items()):
            if any(taken.get(before, said) != said for before, said in reached.way or ()):
                del self._reached[node]
        for index, step in enumerate(path):
            way = _way(path[:index])
            before = self._reached.get(step.node)
            if before is None:
                self._reached[step.node] = _Reached(now, way)
            elif before.way is None:
                self._reached[step.node] = replace(before, way=way)
        off = {node for node, r in self._reached.items() if r.way is None}
        if path and path[-1].answer is not None:
            for node in off:
                del self._reached[node]

    def _reason(self, path: list[TreeAnswer], facts: Known) -> str:
        first = [
            f"Stop writes first: {reading.title}"
            for reading in facts.firing
            if (trigger := self._runbook.triggers.get(reading.id)) is not None and trigger.stop_writes_first
        ][:1]
        return _short(first, _becauses(path))

    def _would_change(
        self,
        path: list[TreeAnswer],
        end: str | None,
        facts: Known,
        overrides: Mapping[str, Override],
        trend: Trend,
    ) -> str:
        """The nearest thing that would lead elsewhere, in a sentence; empty where only a person's word would."""
        last = path[-1]
        if last.answer is None:
            question = self._runbook.tree.questions[last.node]
            ways = ", ".join(f"{said} → {self._title(then)}" for said, then in question.answers.items())
            return f"An answer to “{last.ask}”: {ways}"
        for words, other in self._what_ifs(path, facts):
            what_if_path, leads = self._walk(other[0], overrides, trend, other[1])
            if leads != end or (leads is None and what_if_path[-1].node != last.node):
                to = self._title(leads) if leads is not None else f"the question “{what_if_path[-1].ask}”"
                return f"{words}: then {to}"
        return ""

    def _what_ifs(self, path: list[TreeAnswer], facts: Known) -> Iterable[tuple[str, tuple[Known, dict[str, str]]]]:
        """Nearest first: a timer that ends, a trigger that is about to fire, everything that fires clearing."""
        for step in path:
            question = self._runbook.tree.questions[step.node]
            if step.by == "timer" and step.answer == "waiting" and "over" in question.answers:
                left = self._wait(step.node, question) - self._waited(step.node, _way(path[: path.index(step)]))
                yield f"In {clock_text(left)} “{step.ask}” is over", (facts, {step.node: "over"})
        soonest = sorted(facts.pending, key=lambda r: r.need_s - r.held_s)
        for reading in soonest:
            left = max(0.0, reading.need_s - reading.held_s)
            firing = reading.model_copy(update={"status": "firing"})
            fired = tuple(sorted((*facts.firing, firing), key=lambda r: r.severity != "critical"))
            rest = tuple(r for r in facts.pending if r.id != reading.id)
            yield (
                f"{reading.title} fires if it holds for another {clock_text(left)}",
                (
                    replace(facts, firing=fired, pending=rest),
                    {},
                ),
            )
        by_signals = [step for step in path if step.by == "signals"]
        if facts.firing and any(isinstance(self._source(step.node), FromFiring | FromSeverity) for step in by_signals):
            names = " and ".join(reading.title for reading in facts.firing[:2])
            more = f" and {len(facts.firing) - 2} more" if len(facts.firing) > 2 else ""
            yield f"If {names}{more} cleared", (replace(facts, firing=(), unknown=(), older=()), {})
        if not facts.firing and not facts.pending:
            yield "If a trigger fired", (replace(facts, firing=self._any_trigger()), {})

    def _any_trigger(self) -> tuple[TriggerReading, ...]:
        critical = sorted(self._runbook.triggers.items(), key=lambda item: item[1].severity != "critical")
        return tuple(
            TriggerReading(id=trigger_id, title=t.title, severity=t.severity, status="firing")
            for trigger_id, t in critical[:1]
        )

    def _source(self, node: str) -> object:
        return self._runbook.tree.questions[node].from_

    def _title(self, node: str) -> str:
        found: Question | Leaf | None = self._runbook.tree.leaves.get(node) or self._runbook.tree.questions.get(node)
        if isinstance(found, Question):
            return f"“{found.ask}”"
        return found.title if found is not None else node


def shape(reading: TreeReading | None) -> tuple[object, ...]:
    """What is worth journaling of a reading: its answers and where it leads, not the words that count seconds."""
    if reading is None:
        return ()
    return (reading.leaf, tuple((step.node, step.answer, step.by, step.who) for step in reading.path))


def reached_times(readings: Iterable[tuple[datetime, TreeReading]]) -> dict[str, datetime]:
    """When each question still on the way was first reached, from journaled readings in order."""
    reached: dict[str, tuple[datetime, Way]] = {}
    for at, reading in readings:
        path = list(reading.path)
        taken = {step.node: step.answer for step in path if step.answer is not None}
        reached = {
            node: (first, way)
            for node, (first, way) in reached.items()
            if all(taken.get(before, said) == said for before, said in way)
        }
        for index, step in enumerate(path):
            reached.setdefault(step.node, (at, _way(path[:index])))
    return {node: at for node, (at, _) in reached.items()}


def _way(path: list[TreeAnswer]) -> Way:
    return tuple((step.node, step.answer or "") for step in path)


def _signals_say(said: Said) -> str:
    if said.answer is None:
        return f"signals cannot tell: {said.evidence}" if said.evidence else ""
    return f"signals say {said.answer}: {said.evidence}"


def _becauses(path: list[TreeAnswer]) -> list[str]:
    """Each question with its answer, and what that rests on; the same number is not said twice."""
    said: list[str] = []
    texts = []
    for step in path:
        text = f"{step.ask} {(step.answer or 'open').upper()}"
        why = f"{step.who}{': ' + step.reason if step.reason else ''}" if step.by == "person" else step.evidence
        if why and not any(before.startswith(why) for before in said):
            text += f" ({one_line(why, LONGEST_WHY)})"
            said.append(why)
        texts.append(text)
    return texts


def _short(first: list[str], answers: list[str]) -> str:
    """In one sentence's length: where they are too many, the last answers tell, and how many stood before them."""
    kept = list(answers)
    while len(kept) > 1 and len(". ".join([*first, *kept])) > LONGEST_REASON:
        del kept[0]
    left = len(answers) - len(kept)
    before = [f"After {left} answer{'' if left == 1 else 's'}"] if left else []
    return ". ".join([*first, *before, *kept])
