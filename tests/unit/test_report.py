"""The post-mortem: every number from the journal, nothing invented, nothing from outside as markup."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

import pytest

from warroom.model import event as ev
from warroom.model.event import Body, Event
from warroom.model.release import ReleaseDiff
from warroom.model.units import downtime_words
from warroom.model.verification import Artifact, CheckResult
from warroom.report import post_mortem, timings
from warroom.report.markdown import code, escaped, sparkline
from warroom.testing.builders import a_plan, a_release, a_runbook, a_trigger, an_event, an_incident, at, events

PLAN = a_plan(expected_s=240)
UNDO = a_plan(id="plan-2", purpose="undo", title="Undo it")
GOOD, BAD = a_release("v1.0.0-beta.2"), a_release("v1.0.0-beta.3", deployed_at=at(-80))
OUTLINE: dict[str, Any] = {
    "within": "24h",
    "sections": {
        "what-happened": {"title": "What Happened"},
        "timeline": {"title": "Timeline"},
        "root-cause": {"title": "Root Cause"},
        "impact": {
            "title": "Impact",
            "prompts": ["Downtime: X minutes", "Affected users: ~X", "Revenue impact: $X (if applicable)"],
        },
        "went-well": {
            "title": "What Went Well",
            "prompts": ["Detection time: X minutes", "Rollback time: X minutes", "Communication: Clear/Unclear"],
        },
        "went-wrong": {"title": "What Went Wrong"},
        "action-items": {"title": "Action Items"},
        "thanks": {"title": "Thanks", "prompts": ["Whom to thank"]},
    },
    "actions": {"tests": "Add test coverage for [X]"},
    "improvements": {"staging": "Improve staging"},
    "procedure_updates": {"drills": "Schedule quarterly drills"},
}
CHECK = CheckResult(id="health", title="Health is well", verdict="pass", words="web, db, redis")


def opened(**overrides: Any) -> ev.IncidentOpened:
    return an_incident(**{"running": BAD, "fault_at": at(-40), "runbook": a_runbook(post_mortem=OUTLINE), **overrides})


def story(*, recovered: bool = True) -> list[Event]:
    """The journal of a rollback: detected at -20 s, each entry a second after the one before it."""
    bodies: list[Body] = [
        opened(),
        ev.EngineStarted(pid=1, version="0.1"),
        ev.TriggerChanged(was="firing", reading=a_trigger("firing", value=0.31, words="31 % of 900 requests")),
        ev.Decided(choice="rollback-now", reason="sign-in is down", followed_advice=True),
        ev.ItemMarked(item="notify", mark="waived", reason="nobody awake"),
        ev.EvidenceStarted(bundle="b1", collectors=("logs", "dump")),
        ev.EvidenceCollected(
            bundle="b1",
            collector="logs",
            artifacts=(Artifact(name="web.log", collector="logs", size=1234, sha256="ab" * 32, at=at()),),
        ),
        ev.EvidenceMissing(bundle="b1", collector="dump", reason="pg_dump: disk full"),
        ev.EvidenceSealed(bundle="b1", path="/e/b1", seal="sha256:cd", files=1, size=1234, kinds=("logs",)),
        ev.TargetChosen(
            release=GOOD,
            reason="last good",
            diff=ReleaseDiff(older=GOOD.name, newer=BAD.name, commits=("abc faster sign-in",), migrations=("2025_x",)),
        ),
        ev.PlanProposed(plan=PLAN, hash=PLAN.hash),
        ev.RunStarted(hash=PLAN.hash, waived=("evidence is incomplete",)),
        ev.StepEnded(plan=PLAN.hash, step="restart", attempt=1, status="failed", detail="exit 1"),
        ev.StepEnded(plan=PLAN.hash, step="restart", attempt=2, status="done", detail=""),
        ev.RunEnded(hash=PLAN.hash, outcome="done", detail="", seconds=3),
        ev.MessageQueued(message="m1", template="started", channel="by hand", text="hello"),
        ev.MessageSent(message="m1", receipt="", by_hand=True),
        ev.CheckEnded(
            result=CheckResult(id="rate", title="Errors below 5 %", verdict="inconclusive", words="3 of 20 requests")
        ),
        ev.VerificationEnded(verdict="inconclusive", words="too few requests"),
        ev.NoteAdded(text="a query without an index", about="cause"),
        ev.NoteAdded(text="Affected users: 120", about="impact"),
        ev.NoteAdded(text="alert on sign-ins", about="action"),
    ]
    if recovered:
        bodies += [
            ev.CheckEnded(result=CHECK),
            ev.VerificationEnded(verdict="pass", words="all 2 required checks passed"),
            ev.IncidentClosed(outcome="recovered", reason=""),
        ]
    return events(*bodies)


def test_the_downtime_that_a_step_measured_is_in_the_timeline_and_the_impact() -> None:
    told = story()
    before = post_mortem(told, now=at(60))
    at_step = next(n for n, e in enumerate(told) if isinstance(e.body, ev.StepEnded) and e.body.status == "done")
    body = told[at_step].body.model_copy(update={"outputs": {"downtime_s": "2.906"}, "detail": "web was down 2.9 s"})
    told[at_step] = told[at_step].model_copy(update={"body": body})
    report = post_mortem(told, now=at(60))
    cited = f"[#{told[at_step].seq}]"
    assert f"step restart took the service away for 2.9 s {cited}" in section(report, "Impact")
    assert "web was down 2.9 s" in section(report, "Timeline")
    assert "took the service away" not in before
    assert cited not in section(before, "Timeline")


@pytest.mark.parametrize("said", ["", "soon", "nan", "-1", "inf"])
def test_a_downtime_that_is_no_number_is_none(said: str) -> None:
    assert downtime_words({"downtime_s": said}) == downtime_words({}) == ""
    assert downtime_words({"downtime_s": "1.26"}) == "down for 1.3 s"


def section(report: str, title: str) -> str:
    return report.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.fixture
def report() -> str:
    return post_mortem(story(), now=at(600))


def test_the_runbooks_outline_in_its_order_then_what_it_rests_on(report: str) -> None:
    assert re.findall(r"^## (.*)$", report, re.MULTILINE) == [
        *(s["title"] for s in OUTLINE["sections"].values()),
        "Readings",
        "Verification",
        "Evidence",
        "Sources",
    ]
    assert "Whom to thank: unknown" in section(report, "Thanks")


def test_the_head(report: str) -> None:
    head = report.split("\n## ", 1)[0]
    assert "# Incident Report – 2026-03-02" in head
    assert "This was a drill" in head
    assert "- Outcome: recovered [#25]" in head
    assert "- From: v1.0.0-beta.3" in head
    assert "- To: v1.0.0-beta.2" in head
    assert "not scheduled; due by 2026-03-03 03:00 UTC" in head


def test_the_four_moments_and_their_order(report: str) -> None:
    timeline = section(report, "Timeline").strip().splitlines()
    titles = [m[1] for line in timeline if (m := re.search(r"\*\*(.*?)\*\*", line))]
    assert titles == ["Deployment started", "First error detected", "Rollback initiated", "Service restored"]
    assert timeline[0].startswith("- 02:58 UTC – **Deployment started**: v1.0.0-beta.3 [#1]")
    assert timeline[1].startswith("- 02:59 UTC (+0:00) – **First error detected**: Error rate 12.4 % [#1]")
    restored = next(line for line in timeline if "Service restored" in line)
    assert restored == (
        "- 03:00 UTC (+0:44) – **Service restored**: verification: PASS: all 2 required checks passed [#24]"
    )


def test_a_plan_is_told_by_its_title_too(report: str) -> None:
    timeline = section(report, "Timeline")
    short = PLAN.hash.removeprefix("sha256:")[:12]
    assert f"plan {short} ({PLAN.title}) is done after" in timeline
    assert f"started plan {short} ({PLAN.title})" in timeline


def test_a_message_is_told_by_its_title(report: str) -> None:
    assert "(+0:37) – op1 sent by hand the message Rollback started [#17]" in section(report, "Timeline")


def test_impact(report: str) -> None:
    assert section(report, "Impact").strip().splitlines() == [
        "- Downtime: 1 m 4 s from the fault, 44 s from detection to verified recovery [#1] [#24]",
        "- Affected users: 120 [#21]",
        "- Revenue impact: unknown",
    ]


def test_what_went_well(report: str) -> None:
    lines = section(report, "What Went Well").strip().splitlines()
    assert lines == [
        "- Detection time: 20 s after the fault [#1]",
        "- Rollback time: 3 s, 4 m expected [#15]; 11 s after the decision [#4]",
        "- Communication: 1 of 1 messages sent, the first 37 s after detection [#17]. "
        "Clear or unclear to its readers: unknown",
    ]


def test_what_went_wrong(report: str) -> None:
    lines = section(report, "What Went Wrong").strip().splitlines()
    assert lines == [
        "- Step Restart the web service failed: exit 1 [#13]",
        "- Guard waived by op1: evidence is incomplete [#12]",
        "- Waived by op1: Notify stakeholders: nobody awake [#5]",
        "- Evidence missing from dump: pg\\_dump: disk full [#8]",
        "- Check Errors below 5 %: INCONCLUSIVE, 3 of 20 requests [#18]",
    ]


def test_root_cause_and_what_changed(report: str) -> None:
    text = section(report, "Root Cause")
    assert "a query without an index (op1) [#20]" in text
    assert "commit abc faster sign-in" in text
    assert "migration 2025\\_x" in text


def test_action_items(report: str) -> None:
    text = section(report, "Action Items")
    assert "1. [ ] alert on sign-ins [#22]\n2. [ ] Add test coverage for \\[X\\]" in text
    assert "### Improve safety measures\n\n- [ ] Improve staging" in text


def test_readings_verification_evidence(report: str) -> None:
    assert "▄█ from 12.4 % [#1], highest 31 % [#3], last 31 % [#3], limit 5 %" in section(report, "Readings")
    assert "| Health is well | PASS | web, db, redis | [#23] |" in section(report, "Verification")
    evidence = section(report, "Evidence")
    assert "`/e/b1`" in evidence
    assert f"| `web.log` | logs | 1,234 | `{'ab' * 32}` | [#7] |" in evidence


def test_every_citation_leads_to_an_entry(report: str) -> None:
    body, sources = report.split("\n## Sources\n", 1)
    cited = set(re.findall(r"\[#(\d+)\]", body))
    assert cited
    assert cited == set(re.findall(r'<a id="entry-(\d+)"></a>', sources))
    assert cited == set(re.findall(r"^\[#(\d+)\]: #entry-\1$", sources, re.MULTILINE))


def test_every_number_about_the_incident_is_cited(report: str) -> None:
    for title in ("Timeline", "Impact", "What Went Well", "What Went Wrong", "Readings"):
        for line in section(report, title).strip().splitlines():
            assert not re.search(r"\d", line) or "[#" in line, line


def test_without_a_recovery_nothing_is_claimed() -> None:
    text = post_mortem(story(recovered=False), now=at(600))
    assert "- Service restored: unknown" in section(text, "Timeline")
    assert "Downtime: unknown: no recovery was verified; 42 s from detection to the last entry [#22]" in text
    assert "unknown: the incident is still open" in text


def test_without_a_fault_the_detection_time_is_not_invented() -> None:
    known = post_mortem(events(opened(fault_at=None)), now=at(9))
    assert "Detection time: unknown when the fault began; detected 1 m after v1.0.0-beta.3 was deployed [#1]" in known
    nothing = post_mortem(events(opened(fault_at=None, running=None)), now=at(9))
    assert "Detection time: unknown: nobody knows when the fault began" in nothing
    assert "- Deployment started: unknown" in nothing
    assert "Rollback time: unknown: no rollback was completed" in nothing
    assert "Communication: no message was written" in nothing
    assert "unknown: nobody noted a cause." in nothing
    assert "No evidence was captured." in nothing
    assert "The journal shows nothing that failed" in nothing


def test_a_mark_that_was_taken_back_and_a_message_sent_by_hand_after_all() -> None:
    bodies: list[Body] = [
        opened(),
        ev.ItemMarked(item="notify", mark="waived", reason="later"),
        ev.ItemMarked(item="notify", mark="ticked"),
        ev.MessageQueued(message="m1", template="started", channel="ops", text="x"),
        ev.MessageFailed(message="m1", reason="archived", final=True),
        ev.MessageSent(message="m1", receipt="", by_hand=True),
    ]
    text = post_mortem(events(*bodies), now=at(9))
    assert "Waived" not in section(text, "What Went Wrong")
    assert "not sent" not in section(text, "What Went Wrong")
    assert "1 of 1 messages sent" in text


def test_a_clock_that_was_set_back_gives_no_negative_numbers() -> None:
    journal = story()
    moved = [e if e.seq < 10 else e.model_copy(update={"at": e.at - timedelta(hours=1)}) for e in journal]
    text = post_mortem(moved, now=at(9))
    assert "unknown (the clock was set back)" in text
    assert not re.search(r"-\d+ (s|m|h)\b", text)
    timeline = section(text, "Timeline")
    assert timeline.index("Rollback initiated") < timeline.index("Service restored")


def test_production_is_not_called_a_drill() -> None:
    runbook = a_runbook(environment={"kind": "production"}, drill_windows={})
    text = post_mortem(events(opened(runbook=runbook)), now=at(9))
    assert "drill" not in text.split("\n## ", 1)[0]
    assert "(production)" in text


HOSTILE = (
    "</a><script>alert(1)</script> <img src=x onerror=y> ![i](http://evil.example.com/x) [l](javascript:x) # h | a | b"
    "\n## Forged heading\n- [x] forged\n`code` **bold** _it_ ~~s~~ www.evil.example.com @everyone $x$ [#99] "
    "\x1b]0;t\x07\u202e <!-- "
)


def test_hostile_text_is_only_text() -> None:
    bodies: list[Body] = [
        opened(title=HOSTILE, running=a_release("v1|<b>x</b>")),
        *(ev.NoteAdded(text=HOSTILE, about=about) for about in ("note", "cause", "impact", "well", "wrong", "action")),
        ev.EvidenceCollected(
            bundle="b",
            collector=HOSTILE,
            artifacts=(Artifact(name=HOSTILE, collector=HOSTILE, size=1, sha256="`|" + HOSTILE, at=at()),),
        ),
        ev.CheckEnded(result=CheckResult(id="x", title=HOSTILE, verdict="fail", words=HOSTILE)),
        ev.IncidentClosed(outcome="unresolved", reason=HOSTILE),
        ev.Raw(body={"<script>": HOSTILE}),
    ]
    text = post_mortem([an_event(b, n, by="op1<b>") for n, b in enumerate(bodies, 1)], now=at(9))
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", re.sub(r"\\.", "", text))
    assert set(re.findall(r"<[^>]*>", outside_code)) <= {f'<a id="entry-{n}">' for n in range(1, 20)} | {"</a>"}
    assert not re.findall(r"\]\(", outside_code)
    assert "://" not in outside_code
    assert "www." not in outside_code
    assert "@" not in outside_code
    assert "Forged heading" not in "".join(re.findall(r"^#+ .*$", text, re.MULTILINE))
    assert not re.search(r"^\s*- \[x\]", text, re.MULTILINE)
    assert "[#99]" not in outside_code
    assert "\x1b" not in text
    assert "\u202e" not in text
    for line in text.splitlines():
        if line.startswith("| ") and "SHA" not in line and "---" not in line:
            assert len(re.findall(r"(?<!\\)\|", line)) in (5, 6), line


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, text: 5 %", "plain, text: 5 %"),
        ("- list", "\\- list"),
        ("12. list", "12\\. list"),
        ("> quote", "&gt; quote"),
        ("a_b*c", "a\\_b\\*c"),
        ("http://x", "http&#58;//x"),
        ("WWW.x", "WWW&#46;x"),
        ("AT&T", "AT&amp;T"),
        ("", ""),
    ],
)
def test_escaping(text: str, safe: str) -> None:
    assert escaped(text) == safe


def test_code_spans_hold_what_they_hold() -> None:
    assert code("a`b``c") == "```a`b``c```"
    assert code("`a") == "`` `a ``"
    assert code("a|b") == "`a¦b`"
    assert code("") == ""


@pytest.mark.parametrize(
    ("values", "bars"), [([], ""), ([0.0], "▁"), ([5, 5], "██"), ([0, 5, 10], "▁▅█"), ([-1, 1], "▁█")]
)
def test_sparkline(values: list[float], bars: str) -> None:
    assert sparkline(values) == bars


def test_any_part_of_a_journal_gives_a_report() -> None:
    """Damaged at the front, cut at the end, holes in it: it is told as far as it goes."""
    whole = story()
    chance = random.Random(7)
    for _ in range(150):
        part = [event for event in whole if chance.random() < 0.6]
        text = post_mortem(part, now=at(600))
        assert text.startswith("# Incident Report")
    assert "the journal is empty" in post_mortem([], now=at())


def test_timings() -> None:
    assert timings(story(), at(-40)) == {
        "detected": 20,
        "decided": 44,
        "evidence": 49,
        "rolled_back": 55,
        "verified": 64,
    }
    assert timings(story()) == timings(story(), at(-40))


def test_timings_of_what_did_not_happen() -> None:
    unverified = timings(story(recovered=False), at(-40))
    assert (unverified["rolled_back"], unverified["verified"]) == (55, None)
    assert timings([], at()) == dict.fromkeys(timings(story()))
    assert timings(events(opened(fault_at=None))) == dict.fromkeys(timings(story()))
    undone = [*story(), an_event(ev.VerificationEnded(verdict="fail", words="down again"), 26)]
    assert timings(undone)["verified"] is None


def test_only_the_rollback_that_led_to_recovery_counts() -> None:
    second = a_plan(id="plan-3", target=a_release("v1.0.0-beta.1"))
    bodies: list[Body] = [
        opened(),
        ev.PlanProposed(plan=PLAN, hash=PLAN.hash),
        ev.RunEnded(hash=PLAN.hash, outcome="done", detail="", seconds=1),
        ev.VerificationEnded(verdict="fail", words="broken too"),
        ev.PlanProposed(plan=UNDO, hash=UNDO.hash),
        ev.RunEnded(hash=UNDO.hash, outcome="done", detail="", seconds=1),
        ev.PlanProposed(plan=second, hash=second.hash),
        ev.RunEnded(hash=second.hash, outcome="done", detail="", seconds=1),
        ev.VerificationEnded(verdict="pass", words="all well"),
        ev.VerificationEnded(verdict="pass", words="still well"),
        ev.PlanProposed(plan=PLAN, hash=PLAN.hash),
        ev.RunEnded(hash=PLAN.hash, outcome="done", detail="", seconds=1),
    ]
    assert timings(events(*bodies), at(0))["rolled_back"] == 8
    assert timings(events(*bodies), at(0))["verified"] == 9
    assert "- To: v1.0.0-beta.1" in post_mortem(events(*bodies), now=at(99))
    undone: list[Body] = [opened(), ev.PlanProposed(plan=UNDO, hash=UNDO.hash), bodies[5]]
    assert timings(events(*undone), at(0))["rolled_back"] is None


def test_the_default_runbooks_outline_is_written_whole() -> None:
    from warroom.report.sections import SECTIONS
    from warroom.runbook import default_runbook

    book = default_runbook()
    assert set(book.post_mortem.sections) <= set(SECTIONS)
    text = post_mortem(events(opened(runbook=book)), now=at(9))
    for part in book.post_mortem.sections.values():
        for prompt in part.prompts if part.title in ("Impact", "What Went Well") else ():
            assert f"- {prompt.split(':')[0]}: " in section(text, part.title)
    for line in (*book.post_mortem.improvements.values(), *book.post_mortem.procedure_updates.values()):
        assert escaped(line) in section(text, "Action Items")
