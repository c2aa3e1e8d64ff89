"""The default runbook holds the procedures it was made from: their thresholds, steps, words and times."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import get_args

import pytest

from warroom.actions.verification import BUILT_IN
from warroom.model.checks import BUILT_IN_CHECKS
from warroom.model.cutover import stops_before
from warroom.model.runbook import Item, Proof, StepDecl
from warroom.runbook import default_runbook
from warroom.runbook.cross import PLACEHOLDERS
from warroom.runbook.template import check_template

BOOK = default_runbook()
CRITICAL = ["auth-down", "database-corruption", "payments-broken", "security", "high-error-rate", "performance"]
WARNING = ["ai-provider-failing", "email-down", "redis-failing", "feature-broken"]


def steps() -> Iterator[tuple[str, str, StepDecl]]:
    for procedure_id, procedure in BOOK.procedures.items():
        for step_id, step in procedure.steps.items():
            yield procedure_id, step_id, step


def commands(procedure_id: str) -> list[str]:
    found = BOOK.procedures[procedure_id].steps.values()
    return [line for step in found if step.manual for line in step.manual.commands]


def test_six_critical_and_four_warning_triggers() -> None:
    assert [t for t, trigger in BOOK.triggers.items() if trigger.severity == "critical"] == CRITICAL
    assert [t for t, trigger in BOOK.triggers.items() if trigger.severity == "warning"] == WARNING
    assert all(trigger.impact for trigger in BOOK.triggers.values())


@pytest.mark.parametrize(
    ("condition_id", "signal", "above", "held"),
    [
        ("error-rate", "http-error-ratio", 0.05, 300),
        ("p95", "http-p95", 3000, 300),
        ("memory", "memory-used", 0.9, 300),
    ],
)
def test_thresholds_are_the_document_s(condition_id: str, signal: str, above: float, held: float) -> None:
    condition = next(c for _, _, name, c in BOOK.conditions() if name == condition_id)
    assert (condition.signal, condition.above, condition.for_) == (signal, above, held)


def test_a_share_of_requests_needs_requests() -> None:
    floors = {name: c.at_least for _, _, name, c in BOOK.conditions() if c.signal in ("http-error-ratio", "http-p95")}
    assert floors == {"error-rate": 20, "p95": 20}


def test_nothing_claims_to_be_measured() -> None:
    assert BOOK.platforms == {}
    assert all(signal.source is None for signal in BOOK.signals.values())


def test_every_declared_signal_is_used() -> None:
    used = {c.signal for _, _, _, c in BOOK.conditions()} | {c.signal for c in BOOK.components.values()}
    used |= {str(check.with_.get("signal")) for check in BOOK.verification.values()}
    assert set(BOOK.signals) <= used


def test_the_tree_is_the_document_s() -> None:
    tree = BOOK.tree
    ways = {
        (q, answer): target for q, question in tree.questions.items() for answer, target in question.answers.items()
    }
    assert ways == {
        ("degraded", "no"): "keep-monitoring",
        ("degraded", "yes"): "severity",
        ("severity", "warning"): "getting-worse",
        ("severity", "critical"): "rollback-now",
        ("getting-worse", "yes"): "rollback",
        ("getting-worse", "no"): "monitored",
        ("monitored", "waiting"): "monitor",
        ("monitored", "over"): "hotfix-quickly",
        ("hotfix-quickly", "yes"): "hotfix-in-time",
        ("hotfix-in-time", "waiting"): "hotfix",
        ("hotfix-in-time", "over"): "rollback",
        ("hotfix-in-time", "failed"): "rollback",
        ("hotfix-quickly", "no"): "rollback",
    }
    assert tree.questions["hotfix-quickly"].from_ is None
    assert len(tree.leaves["rollback-now"].then) == 5


def test_four_items_before_and_ten_during() -> None:
    before, during = BOOK.checklists["pre-rollback"].items, BOOK.checklists["rollback"].items
    assert [len(item.hints) + len(item.items) for item in before.values()] == [2, 4, 3, 3]
    assert len(during) == 10
    assert {name: len(item.items) for name, item in during.items() if item.items} == {"executed": 3, "verified": 4}
    needed = [name for name, item in BOOK.items() if item.if_needed]
    assert needed == ["status-page", "cause", "database", "caches"]


def test_items_tick_themselves_where_they_can() -> None:
    by_hand = [name for name, item in BOOK.items() if item.done_when is None]
    assert by_hand == ["status-page"]
    known: set[str] = set(get_args(Proof))
    items: list[Item] = [item for _, item in BOOK.items()]
    used = {item.done_when for item in items if item.done_when}
    used |= {check.proves for check in BOOK.verification.values() if check.proves}
    assert used == known


def test_expected_times() -> None:
    minutes = {
        name: [(e.least / 60, e.most / 60) for e in procedure.expected]
        for name, procedure in BOOK.procedures.items()
        if procedure.kind == "rollback"
    }
    assert minutes == {
        "option-a-rerun": [(5, 10)],
        "option-a-git": [(5, 10)],
        "option-b": [(3, 5)],
        "option-b-database": [(10, 15)],
        "option-c": [(2, 4)],
    }


HARMFUL = {
    "a restore into the live database": r"(backup|gunzip)\S* .*psql .*ai_saas(?!_restored)|psql .*ai_saas <.*backup",
    "a drop before a restore": r"DROP DATABASE",
    "an edit of the compose file": r"sed -i",
    "an undo to whatever came before": r"rollout undo (?!.*--to-revision=)",
    "a lost exit status": r"\|\| *echo",
    "a log that never ends": r"logs (.* )?-f\b",
    "a wait without an end": r"rollout status (?!.*--timeout)|--wait (?!.*--wait-timeout)",
    "a request without an end": r"curl (?!.*--max-time)",
    "an address with its password": r"DATABASE_URL",
    "a name without its quotes": r"userId(?!\")",
    "every key": r"flushall|flushdb",
    "a guessed number": r"replicas=[1-9]",
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_no_command_does_harm(harm: str) -> None:
    found = [
        line for procedure_id in BOOK.procedures for line in commands(procedure_id) if re.search(HARMFUL[harm], line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        (
            "a restore into the live database",
            "docker compose exec -T db psql -U postgres ai_saas < pre-rollback-backup.sql",
        ),
        ("a restore into the live database", "gunzip < b.sql.gz | docker compose exec -T db psql -U postgres ai_saas"),
        ("an undo to whatever came before", "kubectl rollout undo deployment/ai-saas-web -n ai-saas-prod"),
        ("a lost exit status", 'curl -f https://your-app.com/api/health || echo "ROLLBACK FAILED"'),
        ("a log that never ends", "docker compose logs -f web --tail=50"),
        ("a wait without an end", "kubectl rollout status deployment/ai-saas-web -n ai-saas-prod"),
        ("a guessed number", "kubectl scale deployment/ai-saas-web -n ai-saas-prod --replicas=3"),
        ("a name without its quotes", 'SELECT * FROM "Conversation" WHERE userId IS NULL'),
    ],
)
def test_harm_is_found(harm: str, line: str) -> None:
    assert re.search(HARMFUL[harm], line)


def test_a_single_transaction_needs_a_file() -> None:
    """psql passes over --single-transaction where it reads its standard input without -f or -c."""
    found = [line for p in BOOK.procedures for line in commands(p) if "--single-transaction" in line]
    assert len(found) == 3
    assert all(re.search(r" -[fc] ", line) for line in found)


def test_every_command_can_be_pasted() -> None:
    for line in (line for procedure_id in BOOK.procedures for line in commands(procedure_id)):
        assert "\n" not in line
        done = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, timeout=10, check=False)
        assert (done.returncode, done.stderr) == (0, ""), line


def test_images_are_there_before_anything_stops() -> None:
    for procedure_id in ("option-b", "option-b-database"):
        order = [name for name, step in BOOK.procedures[procedure_id].steps.items() if not step.if_needed]
        assert order.index("find-image") < order.index("pin") < order.index("up")
    order = list(BOOK.procedures["option-b-database"].steps)
    assert order.index("pin") < order.index("stop") < order.index("restore-beside")
    assert stops_before(BOOK.procedures["option-b"]) == ("stop",), "taken along where writes must end first"


def test_writes_stop_first_for_damage_and_holes() -> None:
    assert [t for t, trigger in BOOK.triggers.items() if trigger.stop_writes_first] == [
        "database-corruption",
        "security",
    ]
    assert [t for t, trigger in BOOK.triggers.items() if trigger.put_back_needs_reason] == [
        "database-corruption",
        "payments-broken",
        "security",
    ]
    assert [p for p, procedure in BOOK.procedures.items() if procedure.kind == "stop-writes"] == ["stop-writes"]
    assert [p for p, procedure in BOOK.procedures.items() if procedure.kind == "resume-writes"] == ["resume-writes"]


def test_a_swap_is_decided_apart_from_the_comparison() -> None:
    """No procedure both compares and destroys: what would be lost is seen before a plan that loses it is made."""
    for procedure_id, procedure in BOOK.procedures.items():
        risks = [step.manual.risk for step in procedure.steps.values() if step.manual]
        assert not ("compare" in procedure.steps and "destructive" in risks), procedure_id


def test_every_rollback_brings_the_application_back_and_looks() -> None:
    for procedure_id, procedure in BOOK.procedures.items():
        if procedure.kind == "rollback":
            assert "application" in [step.role for step in procedure.steps.values()], procedure_id
            last = [step for step in procedure.steps.values() if not step.if_needed][-1]
            assert last.manual is not None
            assert last.manual.risk == "safe"


def test_people_are_told_the_version() -> None:
    used = {name for _, _, step in steps() for name in re.findall(r"\$\{([^}]+)\}", step.model_dump_json())}
    assert used == {"target.version"}
    assert used <= set(PLACEHOLDERS)


def test_templates_are_the_document_s() -> None:
    assert all(check_template(template.text) is None for template in BOOK.templates.values())
    assert BOOK.templates["started"].text == (
        "🚨 ROLLBACK IN PROGRESS\n\nTime: {{ time_utc }}\nReason: {{ reason }}\nImpact: {{ impact }}\nETA: {{ eta }}\n"
        'Status Page: {{ status_page or "none" }}\n\nWe\'re working to resolve this quickly.\n'
    )
    assert BOOK.templates["completed"].text == (
        "✅ ROLLBACK COMPLETED\n\nTime: {{ time_utc }}\nDuration: {{ duration }}\n"
        "Resolution: Rolled back to {{ version }}\nStatus: All services operational\n\n"
        "We'll investigate the root cause and provide an update within 24 hours.\n\nApologies for the disruption.\n"
    )


def test_escalation_watch_and_post_mortem() -> None:
    assert [(step.after, step.sentence) for step in BOOK.escalation] == [
        (0, "On-call engineer decides"),
        (300, "Notify CTO"),
        (900, "Full team escalation"),
    ]
    assert (BOOK.watch, BOOK.post_mortem.within) == (1800, 86400)
    assert len(BOOK.post_mortem.sections) == 7
    assert (len(BOOK.post_mortem.actions), len(BOOK.post_mortem.improvements)) == (3, 5)
    assert len(BOOK.post_mortem.procedure_updates) == 3
    assert list(BOOK.contacts) == ["cto", "lead-developer", "devops", "on-call-engineer"]


def test_the_built_in_checks_are_those_that_run() -> None:
    assert set(BUILT_IN_CHECKS) == set(BUILT_IN)
