"""``warroom status``: sentences that are true at each stage, exit statuses, and nothing disturbed by asking."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.console.runbook import a_runbook
from tests.console.story import Story
from tests.unit.test_model_cutover import ran
from warroom.cli.status import report_status
from warroom.errors import WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.event import Actor
from warroom.report.status import Status, sentences, status
from warroom.testing.builders import a_plan, a_step, an_incident
from warroom.testing.clock import START


def at_its(story: Story, engine: str = "") -> Status:
    found = status(story.events, story.now() + timedelta(seconds=120), engine=engine)
    assert found is not None
    return found


def opened(kind: str = "production") -> Story:
    story = Story(a_runbook(kind))
    story.opened("High error rate")
    return story


def planned() -> Story:
    story = opened()
    story.on[it.Decide](it.Decide(choice="rollback-now"))
    story.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))
    return story


def test_an_open_incident_is_told_in_sentences_the_most_urgent_first() -> None:
    found = at_its(opened())
    said = list(sentences(found))
    assert said[0] == "PRODUCTION, service ai-saas-app: incident inc-0042 is open, for 3 minutes 12 seconds now."
    assert "Severity: critical." in said
    assert "Fires: High error rate (critical), since 03:00:00 UTC." in said
    assert "The runbook advises: roll back now, because 5xx is above 5 %: the runbook rolls back at once." in said
    assert "Nothing is decided yet." in said
    assert "Nobody drives." in said
    assert any(line.startswith("Checklist Rollback checklist: 1 of 10 done. Open: ") for line in said)
    assert "There is no plan yet." in said
    assert "Recovery is not verified." in said
    assert any(line.startswith("Next: Take the wheel") for line in said)
    assert any(line.startswith("No warroom is running") for line in said)
    assert found.exit_status == 2


def test_that_writes_are_stopped_is_told_before_anything_else_about_it() -> None:
    story = opened()
    stop = a_plan(a_step("stop", role="stop-writes"), purpose="stop-writes", target=None)
    for body in ran(stop):
        story.push(body)
    found = at_its(story)
    assert found.stopped.startswith("Writes are stopped since ")
    assert f"{found.stopped}." in list(sentences(found))
    story.push(ev.IncidentClosed(outcome="mitigated", reason="enough"))
    assert at_its(story).stopped == ""


def test_a_run_its_steps_and_what_became_of_them_are_told() -> None:
    story = planned()
    assert "Step 1 of 2, Deploy the target: planned." in list(sentences(at_its(story)))
    plan_hash = at_plan(story)
    story.on[it.RunPlan](it.RunPlan(hash=plan_hash))
    said = list(sentences(at_its(story, "process 7 on host")))
    assert "Plan lab-rollback to v1.0.0-beta.2: running." in said
    assert "Step 1 of 2, Deploy the target: under way." in said
    killed = at_its(story)
    assert killed.exit_status == 3
    said = list(sentences(killed))
    assert "Plan lab-rollback to v1.0.0-beta.2: UNKNOWN." in said
    assert any(line.startswith("Step 1 of 2, Deploy the target: UNKNOWN (it ended while") for line in said)
    assert any(line.startswith("Next: Start warroom") for line in said)
    story.crashed()
    found = at_its(story)
    assert found.exit_status == 3
    said = list(sentences(found))
    assert "Plan lab-rollback to v1.0.0-beta.2: UNKNOWN." in said
    assert "Step 1 of 2, Deploy the target: UNKNOWN (the engine stopped while it ran)." in said


def at_plan(story: Story) -> str:
    assert story.state.plan is not None
    return story.state.plan.hash


@pytest.mark.parametrize(("verdict", "word", "code"), [("pass", "PASS", 2), ("fail", "FAIL", 3)])
def test_a_verdict_is_told_and_a_bad_one_waits_for_a_person(verdict: str, word: str, code: int) -> None:
    story = planned()
    story.on[it.RunPlan](it.RunPlan(hash=at_plan(story)))
    story.runs_through()
    story.on[it.Verify](it.Verify())
    assert "Recovery is being verified." in list(sentences(at_its(story)))
    story.verified(verdict)  # type: ignore[arg-type]  # the two words are verdicts
    found = at_its(story)
    assert any(line.startswith(f"Verification: {word}. ") for line in sentences(found))
    assert found.exit_status == code
    story.push(ev.IncidentClosed(outcome="unresolved", reason="given up"))
    assert at_its(story).exit_status == 0


def test_what_is_said_is_words_alone_whatever_was_written() -> None:
    story = opened()
    story.opened("\x1b]0;owned\x07\x1b[31m[bold]x\u202e\x9b\r\n│┃ end")
    for line in sentences(at_its(story)):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", line), line
    for line in sentences(at_its(opened())):
        assert not re.search(r"[\u2500-\u259f]", line)


# ---- the command -----------------------------------------------------------------------------------------------


def a_journal(folder: StateFolder, *more: ev.Body) -> str:
    incident = folder.new_incident_id()

    async def write() -> None:
        journal = Journal.create(folder.folder(incident), incident, now=lambda: START)
        await journal.append(Actor(name="op1", uid=1000), an_incident(incident=incident), *more)
        await journal.close()

    folder.ensure()
    asyncio.run(write())
    return incident


def warroom(*argv: str, state: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    base = {"PATH": os.environ["PATH"], "HOME": str(state.parent), "WARROOM_STATE": str(state)}
    return subprocess.run(
        [sys.executable, "-m", "warroom.cli", *argv], env={**base, **env}, capture_output=True, timeout=60, check=False
    )


def test_the_newest_open_incident_is_found_and_a_drill_is_not_an_incident(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.ensure()
    assert report_status(folder, None)[2] == 0
    drill = a_journal(folder.drills)
    said, document, code = report_status(folder, None)
    assert (code, json.loads(document)) == (0, {"incident": None, "drill": drill})
    assert "No incident is open." in said[0]
    first = a_journal(folder)
    a_journal(folder, ev.IncidentClosed(outcome="recovered", reason="over"))
    said, document, code = report_status(folder, None)
    assert (code, json.loads(document)["incident"]) == (2, first)
    assert report_status(folder, drill)[2] == 2
    with pytest.raises(WarroomError, match="There is no INC-0099"):
        report_status(folder, "INC-0099")


def test_asking_disturbs_nobody_who_is_at_work(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    incident = a_journal(folder)
    before = snapshot(folder.path)
    with folder.lock():
        said = warroom("status", state=folder.path)
        assert said.returncode == 2
        assert f"A warroom is at work on it (process {os.getpid()} on " in said.stdout.decode()
        assert json.loads(warroom("status", incident, "--json", state=folder.path).stdout)["engine"]
        assert StateFolder(folder.path).holder() != ""
    assert folder.holder() == ""
    after = snapshot(folder.path)
    assert {name: after[name] for name in before} == before
    assert "No warroom is running" in warroom("status", state=folder.path).stdout.decode()


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "warroom.log")]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_damaged_journal_is_told_and_is_an_error(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    incident = a_journal(folder, ev.NoteAdded(text="one"), ev.NoteAdded(text="two"))
    database = next(folder.folder(incident).glob("*.db"))
    data = database.read_bytes()
    assert data.count(b'"two"') == 1
    database.write_bytes(data.replace(b'"two"', b'"six"'))
    said, _, code = report_status(folder, incident)
    assert code == 1
    assert any(line.startswith("DAMAGED journal: ") for line in said)


def test_it_can_be_said_in_any_character_set(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    a_journal(folder, ev.Decided(choice="rollback-now", reason="国 é ✔", followed_advice=True))
    for encoding in ("ascii", "iso-8859-1", "utf-8"):
        said = warroom("status", state=folder.path, PYTHONIOENCODING=encoding)
        assert (said.returncode, said.stderr) == (2, b"")
        assert b"\x1b" not in said.stdout
