"""Every line of the procedures has a place, and its status is read off the runbook, never only claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD, PLATFORM, Plugins, loaded
from warroom.model.runbook import Runbook
from warroom.runbook import coverage as coverage_module
from warroom.runbook import default_runbook
from warroom.runbook.coverage import STATUSES, Covered, Line, coverage, lines, totals

FACTS = Path(__file__).parent / "data" / "runbook_facts.txt"
COMMANDS = ("drill",)


def facts() -> list[tuple[str, str]]:
    """(section, sentence) for every line of the procedures, from the copy kept for this test."""
    found, section = [], ""
    for line in FACTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line:
            found.append((section, line))
    return found


def covered(runbook: Runbook | None = None) -> dict[str, Covered]:
    every = coverage(runbook or default_runbook(), commands=COMMANDS, plugins=Plugins())
    return {each.id: each for each in every}


def test_no_line_is_missing_and_none_is_made_up() -> None:
    held = [(section, line.says) for section, line in lines()]
    assert len(held) > 300
    assert [fact for fact in facts() if fact not in held] == []
    assert [line for line in held if line not in facts()] == []
    assert held == facts()


def test_ids_are_unique() -> None:
    ids = [line.id for _, line in lines()]
    assert len(ids) == len(set(ids))


def test_every_line_says_where_it_went() -> None:
    assert [line.id for _, line in lines() if not (line.at or line.command or line.not_yet)] == []


def test_every_path_is_there_in_the_default_runbook() -> None:
    absent = [each for each in covered().values() if each.why.startswith("this runbook has no")]
    assert absent == []


def test_a_path_that_is_not_there_is_found() -> None:
    reader = coverage_module._Reader(default_runbook(), frozenset(), ())
    assert reader.at("triggers.no-such") == ("not-yet", "this runbook has no triggers.no-such")
    assert reader.at("escalation.7")[0] == "not-yet"


def test_every_part_of_the_default_runbook_is_in_the_procedures() -> None:
    """The other direction: nothing in the default runbook that no line asked for."""
    book = default_runbook()
    wanted = {f"triggers.{t}.conditions.{c}" for t, _, c, _ in book.conditions()}
    wanted |= {f"tree.questions.{name}" for name in book.tree.questions}
    wanted |= {f"tree.leaves.{name}" for name in book.tree.leaves}
    wanted |= {f"contacts.{name}" for name in book.contacts}
    wanted |= {f"templates.{name}.text" for name in book.templates}
    wanted |= {f"escalation.{index}" for index in range(len(book.escalation))}
    wanted |= {f"post_mortem.sections.{name}" for name in book.post_mortem.sections}
    at = {path for _, line in lines() for path in line.at}
    assert wanted - at == set()


def test_the_templates_hold_the_lines() -> None:
    book = default_runbook()
    for _, line in lines():
        for path in line.at:
            if path.startswith("templates."):
                text = book.templates[path.split(".")[1]].text
                said = line.says.split("[")[0].removesuffix("v")
                assert said in text


def test_sentences_are_those_of_the_runbook() -> None:
    """A line that is said to be a checklist item or a condition reads as that item or condition does."""
    book = default_runbook()
    items = dict(book.items())
    for _, line in lines():
        for path in line.at:
            parts = path.split(".")
            if parts[0] == "checklists" and "hints" not in parts and len(parts) > 2:
                assert items[parts[-1]].sentence == line.says.removesuffix(":")
            if parts[0] == "triggers" and len(parts) == 4 and "sustained" not in path:
                sentence = book.triggers[parts[1]].conditions[parts[3]].sentence
                assert sentence.split(",")[0] in line.says


def test_what_nobody_measures_is_not_there_yet(tmp_path: Path) -> None:
    before = covered()["trigger.p95-response-time-3000ms-3x-normal"]
    assert (before.status, before.why) == ("not-yet", "nobody measures http-p95")
    text = PLATFORM + "signals: {http-p95: {title: p, unit: ms, source: {platform: shop, signal: latency}}}\n"
    after = covered(loaded(tmp_path, text).runbook)["trigger.p95-response-time-3000ms-3x-normal"]
    assert (after.status, after.where) == ("implemented", "triggers.performance.conditions.p95")


def test_what_a_runbook_turns_on_is_there(tmp_path: Path) -> None:
    """Off in the default one, which says so; a line that is about evidence or a check goes by what is wired."""
    line = "safety.automated-rollback-trigger-rollback"
    assert covered()[line].why == "off: this runbook has no automatic_rollback"
    step = "{title: t, op: shop.restart, with: {version: v1}, role: application}"
    text = PLATFORM + f"procedures: {{back: {{title: t, use_when: u, steps: {{s: {step}}}}}}}\n"
    text += "automatic_rollback: {trigger: high-error-rate, procedure: back}\n"
    text += "verification: {sentry: {sentence: s, use: shop.count}}\n"
    now = covered(loaded(tmp_path, text).runbook)
    assert now[line].status == "implemented"
    sentry = "verify.errors.check-sentry-new-errors"
    assert "has no check" in now[sentry].why
    reader = coverage_module._Reader(loaded(tmp_path, text).runbook, frozenset(), ())
    assert reader.covered("s", Line(id="x", says="y", checks="count")).status == "implemented"


def test_an_operation_makes_a_step_implemented(tmp_path: Path) -> None:
    step = "{title: t, op: shop.restart, with: {version: v1}}"
    text = PLATFORM + f"procedures: {{option-b: {{title: t, use_when: u, steps: {{stop: {step}}}}}}}\n"
    now = covered(loaded(tmp_path, text).runbook)
    assert covered()["option-b.stop.docker-compose-stop-web"].status == "manual"
    assert now["option-b.stop.docker-compose-stop-web"].status == "implemented"
    gone = now["option-b.image.list-recent-images"]
    assert (gone.status, gone.why) == ("not-yet", "this runbook has no procedures.option-b.steps.find-image")


def test_people_without_a_number_are_not_reached(tmp_path: Path) -> None:
    book = loaded(tmp_path, HEAD + "contacts: {cto: {title: CTO, reach: '1'}}\n").runbook
    assert covered()["contact.cto-contact-info"].why == "no way to reach cto is given"
    assert covered(book)["contact.cto-contact-info"].status == "implemented"


@pytest.mark.parametrize(
    ("line_id", "status"),
    [
        ("tree.service-degraded", "not-yet"),
        ("tree.can-we-hotfix-quickly-30-min", "manual"),
        ("tree.monitor-10-minutes", "implemented"),
        ("verify.users.sign", "manual"),
        ("verify.health.database-connected", "not-yet"),
        ("safety.automated-rollback-trigger-rollback", "not-yet"),
        ("safety.canary-deployments-deploy-10-users", "manual"),
        ("checklist.incident-detected-severity-assessed", "implemented"),
        ("message.started.reason-brief-description", "implemented"),
        ("pre.save-sentry-errors", "not-yet"),
        ("verify.errors.check-sentry-new-errors", "not-yet"),
        ("pre.save-logs", "not-yet"),
        ("practice.critical-practice-these-procedures", "implemented"),
        ("option-c.autoscaler.expected-time-2-4-minutes", "implemented"),
    ],
)
def test_statuses_of_the_default(line_id: str, status: str) -> None:
    assert covered()[line_id].status == status


def test_a_command_that_is_not_there_is_not_claimed() -> None:
    found = {each.id: each for each in coverage(default_runbook(), commands=(), plugins=Plugins())}
    line = found["practice.critical-practice-these-procedures"]
    assert (line.status, line.why) == ("not-yet", "there is no command drill")


def test_a_part_that_is_not_there_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(coverage_module.PARTS, "templates", "warroom.no_such_part")
    line = covered()["message.started.reason-brief-description"]
    assert (line.status, line.why) == ("not-yet", "warroom.no_such_part is not there")


def test_totals_count_every_line() -> None:
    every = list(covered().values())
    assert sum(totals(every).values()) == len(every) == len(facts())
    assert list(totals(every)) == list(STATUSES)


def test_a_line_s_own_words_win() -> None:
    reader = coverage_module._Reader(default_runbook(), frozenset(), ())
    line = Line(id="x", says="y", at=("watch",), not_yet="no")
    assert reader.covered("s", line).status == "not-yet"
