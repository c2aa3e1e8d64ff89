"""Whether a dump is proven is seen at a glance: on the checklist, in what is read aloud, and in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from warroom.actions.sealed import standings
from warroom.console.keymap import DEFAULT_KEYS
from warroom.console.panes.checklist import ChecklistPane
from warroom.console.store import Store
from warroom.model import event as ev
from warroom.model.call import ProcessCall
from warroom.model.checklist import lines
from warroom.model.event import Body, Event
from warroom.model.fold import fold
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.model.verification import Verdict
from warroom.report import post_mortem
from warroom.report.status import sentences, status
from warroom.testing.builders import a_runbook, an_incident, at, events

ITEMS = {
    "prepare": {"title": "Prepare", "items": {"seal": {"sentence": "Seal evidence", "done_when": "evidence-sealed"}}}
}
RUNBOOK = a_runbook(checklists=ITEMS)


class Shown(Store):
    @property
    def runbook(self) -> Runbook:
        return RUNBOOK


SEALED: tuple[Body, ...] = (
    an_incident(runbook=RUNBOOK),
    ev.EvidenceStarted(bundle="evidence-1", collectors=("db.dump",)),
    ev.EvidenceCollected(bundle="evidence-1", collector="db.dump", artifacts=()),
    ev.EvidenceSealed(bundle="evidence-1", path="/e/1", seal="sha256:cd", files=2, size=9, kinds=("dump",)),
)
STARTED = ev.ProofStarted(
    bundle="evidence-1",
    collector="db.dump",
    words="restored into shop~proof",
    platform="db",
    calls=(ProcessCall(argv=("true",)),),
)


def ended(verdict: Verdict, words: str = "4 tables, as counted") -> ev.ProofEnded:
    return ev.ProofEnded(bundle="evidence-1", collector="db.dump", verdict=verdict, words=words)


def told(*more: Body) -> tuple[list[Event], State]:
    every = events(*SEALED, *more)
    state = State()
    for event in every:
        state = fold(state, event)
    return every, state


@pytest.mark.parametrize(
    ("more", "proof"),
    [
        pytest.param((), "dump not proven", id="not-yet"),
        pytest.param((STARTED,), "dump being tried", id="going-on"),
        pytest.param((STARTED, ended("pass")), "dump proven", id="proven"),
        pytest.param((STARTED, ended("fail")), "dump of no use", id="of-no-use"),
        pytest.param((STARTED, ended("inconclusive")), "dump not proven", id="came-between"),
        pytest.param((STARTED, ended("pass"), STARTED), "dump being tried", id="again"),
    ],
)
def test_at_a_glance(more: tuple[Body, ...], proof: str, tmp_path: Path) -> None:
    every, state = told(*more)
    assert state.evidence is not None
    assert (state.evidence.proof, state.sealed[-1].proof) == (proof, proof)
    found = status(every, at(60))
    assert found is not None
    assert any(line.startswith(f"Evidence: sealed; {proof}") for line in sentences(found))
    store = Shown(DEFAULT_KEYS)
    store.state = state
    pane = ChecklistPane(store, "checklist")
    (line,) = lines(RUNBOOK, state, "prepare")
    assert pane._end(line, 60).startswith(proof)


def test_what_was_seen_is_in_the_report_and_with_the_bundle(tmp_path: Path) -> None:
    every, _ = told(STARTED, ended("fail", "public.User has 19 rows for 20"))
    report = post_mortem(every, now=at(60))
    sentence = "db.dump of evidence-1 is of no use: public.User has 19 rows for 20"
    assert report.count(sentence) == 4, "among what went wrong, in the timeline, with the evidence, and as a source"
    (standing,) = standings(tmp_path, every)
    assert standing.tried == {"db.dump": sentence}


def test_another_bundle_is_not_proven_by_it() -> None:
    _, state = told(STARTED, ev.EvidenceStarted(bundle="evidence-2", collectors=("db.dump",)), ended("pass"))
    assert state.evidence is not None
    assert (state.evidence.tried, state.sealed[-1].proof) == ({}, "dump proven")
