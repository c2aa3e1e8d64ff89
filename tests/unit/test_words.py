"""Each event in one plain sentence."""

from __future__ import annotations

from typing import get_args

import pytest

from warroom.model import event as ev
from warroom.model.call import CallResult, HttpCall, Secret, Until
from warroom.model.decision import TreeAnswer, TreeReading
from warroom.model.event import Body
from warroom.model.plan import Look
from warroom.model.verification import Artifact, CheckResult
from warroom.model.words import LONGEST, one_line, words
from warroom.testing.builders import a_call, a_plan, a_release, a_trigger, an_event, an_incident, at

HASH = "sha256:" + "0123456789abcdef" * 4
ASKS = TreeAnswer(node="fixable", ask="Fixable in 15 minutes?", answer=None, choices=("yes", "no"), by="open")
ADVISES = TreeReading(path=(), advice="rollback", title="Roll back", reason="it is critical")
OUGHT = TreeReading(path=(ASKS,))
SEEN = Look(verdict="partly", seen="old image runs")
ARTIFACT = Artifact(name="app.log", collector="logs", size=1200, sha256="0" * 64, at=at())
POST = HttpCall(
    method="POST",
    url="http://lab/deploy",
    headers={"Authorization": Secret(secret="file:/token", prefix="Bearer ")},
    body={"ref": "92de52c"},
)
WAIT = HttpCall(
    method="GET", url="http://lab/health", until=Until(field="status", equals="ok", every_s=0.3, at_most_s=30)
)
CHECK = CheckResult(id="health", title="Health", verdict="pass", words="200 in 12 ms")


def intended(**more: object) -> ev.StepIntended:
    values = {"plan": HASH, "step": "restart", "attempt": 1, "calls": (a_call(),), "inverse": (a_call("undo"),)}
    return ev.StepIntended.model_validate({**values, **more})


def ended(status: str, **more: object) -> ev.StepEnded:
    values = {"plan": HASH, "step": "restart", "attempt": 1, "status": status, "detail": ""}
    return ev.StepEnded.model_validate({**values, **more})


def resolved(choice: str) -> ev.StepResolved:
    return ev.StepResolved.model_validate(
        {"plan": HASH, "step": "restart", "attempt": 1, "choice": choice, "reason": "looked"}
    )


SENTENCES: list[tuple[Body, str]] = [
    (
        an_incident(title="Error rate 12.4 %", scenario="bad-release"),
        "inc-0001 opened (critical, drill bad-release): Error rate 12.4 %; v1.0.0-beta.3 is running",
    ),
    (an_incident(severity=None, running=None), "inc-0001 opened (severity not known): Error rate 12.4 %"),
    (ev.EngineStarted(pid=71, version="0.1"), "warroom 0.1 started (process 71)"),
    (ev.WheelTaken(), "took the wheel"),
    (ev.WheelReleased(), "let go of the wheel"),
    (
        ev.TriggerChanged(was="pending", reading=a_trigger("firing", words="12.4 % of 812")),
        "trigger Error rate above 5 % (critical): pending → firing: 12.4 % of 812",
    ),
    (
        ev.ReleaseChanged(was=None, now=a_release("v2"), seen_by="lab"),
        "the running release changed: an unknown release → v2, seen by lab",
    ),
    (ev.TreeChanged(reading=ADVISES), "the decision tree advises Roll back: it is critical"),
    (ev.TreeChanged(reading=OUGHT), "the decision tree asks: Fixable in 15 minutes?"),
    (ev.TreeChanged(reading=TreeReading(path=())), "the decision tree has no advice"),
    (ev.TreeAnswered(node="fixable", answer="no", reason="big"), "answered fixable with no: big"),
    (ev.TreeAnswered(node="fixable", answer=None, reason=""), "took back the answer to fixable"),
    (
        ev.Decided(choice="rollback", reason="", followed_advice=True),
        "decided: rollback, as advised",
    ),
    (
        ev.Decided(choice="monitor", reason="sale", followed_advice=False),
        "decided: monitor, against the advice: sale",
    ),
    (ev.ItemMarked(item="notify", mark="ticked"), "ticked notify"),
    (ev.ItemMarked(item="notify", mark="waived", reason="2 am"), "waived notify: 2 am"),
    (ev.ItemMarked(item="database", mark="not-needed", reason="no change"), "marked as not needed database: no change"),
    (ev.ItemMarked(item="notify", mark="open"), "opened again notify"),
    (
        ev.ItemMarked(item="notify", sentence="Notify stakeholders", mark="waived", reason="2 am"),
        "waived “Notify stakeholders”: 2 am",
    ),
    (ev.NoteAdded(text="restarted", about="note"), "noted: restarted"),
    (ev.NoteAdded(text="a bad migration", about="cause"), "noted as the cause: a bad migration"),
    (ev.NoteAdded(text="tomorrow 10:00", about="post-mortem-at"), "set the post-mortem: tomorrow 10:00"),
    (ev.Acknowledged(what="error-rate"), "acknowledged error-rate"),
    (ev.EvidenceStarted(bundle="b1", collectors=("logs", "dump")), "collecting evidence b1 from logs, dump"),
    (
        ev.EvidenceCollected(bundle="b1", collector="logs", artifacts=(ARTIFACT, ARTIFACT)),
        "logs gave 2 files of evidence, 2,400 bytes",
    ),
    (ev.EvidenceMissing(bundle="b1", collector="dump", reason="timed out"), "dump gave no evidence: timed out"),
    (ev.EvidenceUnsealed(bundle="b1", reason="disk full"), "evidence b1 was not sealed: disk full"),
    (
        ev.ProofStarted(bundle="b1", collector="db.dump", words="restored beside", platform="db", calls=(a_call(),)),
        "db.dump of evidence b1 is tried: restored beside",
    ),
    (
        ev.ProofEnded(bundle="b1", collector="db.dump", verdict="pass", words="8 tables, 47 rows"),
        "db.dump of evidence b1 is proven: 8 tables, 47 rows",
    ),
    (
        ev.EvidenceSealed(bundle="b1", path="/e", seal=HASH, files=1, size=12345, kinds=("log",)),
        "evidence b1 sealed: 1 file, 12,345 bytes, seal 0123456789ab",
    ),
    (ev.Attached(name="console.svg", sha256="0" * 64, size=2048), "attached console.svg, 2,048 bytes"),
    (ev.TargetChosen(release=a_release("v1"), reason="last good"), "chose v1 as the target: last good"),
    (ev.TargetChosen(release=a_release("v1"), reason="", typed=True), "chose v1 as the target (typed)"),
    (
        ev.PlanProposed(plan=a_plan(), hash=HASH),
        "proposed plan 0123456789ab: Roll the lab back, 1 step, disruptive",
    ),
    (ev.PlanApproved(hash=HASH), "approved plan 0123456789ab"),
    (ev.PlanVoided(hash=HASH, reason="the digest moved"), "plan 0123456789ab is void: the digest moved"),
    (ev.RunStarted(hash=HASH), "started plan 0123456789ab"),
    (
        ev.RunStarted(hash=HASH, waived=("no evidence", "no one told")),
        "started plan 0123456789ab, over these guards: no evidence; no one told",
    ),
    (intended(), "step restart begins: systemctl restart web"),
    (
        intended(calls=(POST, a_call(), a_call())),
        'step restart begins: POST http://lab/deploy {"ref": "92de52c"}, then 2 more calls',
    ),
    (intended(calls=(WAIT,)), 'step restart begins: GET http://lab/health until status is "ok"'),
    (
        intended(attempt=2, inverse=None, no_inverse="a restart"),
        "step restart, attempt 2, begins: systemctl restart web; it can't be undone: a restart",
    ),
    (
        ev.CallMade(plan=HASH, step="restart", attempt=1, index=0, result=CallResult(status=0, seconds=1.24)),
        "step restart call 1 came back with 0 after 1.2 s",
    ),
    (ended("done", seconds=2.5), "step restart is done after 2.5 s"),
    (ended("failed", detail="exit 1"), "step restart failed: exit 1"),
    (ended("unknown", look=SEEN), "step restart has an UNKNOWN outcome; seen: old image runs"),
    (ended("claimed", attempt=3), "step restart, attempt 3, is claimed as done"),
    (resolved("done"), "took step restart as done: looked"),
    (resolved("again"), "let step restart run again: looked"),
    (resolved("undo"), "undoes step restart: looked"),
    (resolved("skip"), "skipped step restart: looked"),
    (ev.AbortAsked(hash=HASH), "asked to abort plan 0123456789ab"),
    (
        ev.RunEnded(hash=HASH, outcome="done", detail="", seconds=192.4),
        "plan 0123456789ab is done after 3 m 12 s",
    ),
    (
        ev.RunEnded(hash=HASH, outcome="unknown", detail="lost", seconds=5),
        "plan 0123456789ab ended UNKNOWN after 5 s: lost",
    ),
    (
        ev.AutomaticAnnounced(
            trigger="errors",
            evidence="5xx: 9 %",
            procedure="swap",
            target="v2",
            hash="h",
            countdown_s=120,
            until=at(120),
        ),
        "automatic rollback to v2 announced, to begin at 03:02:00 UTC unless it is vetoed: 5xx: 9 %",
    ),
    (ev.AutomaticVetoed(), "vetoed the automatic rollback"),
    (ev.AutomaticVetoed(reason="not the app"), "vetoed the automatic rollback: not the app"),
    (ev.AutomaticStopped(trigger="errors", reason="op1 drives"), "no automatic rollback: op1 drives"),
    (
        ev.TriggerChanged(was="pending", reading=a_trigger(words="9 %", since_release="errors began 40 s after v3")),
        "trigger Error rate above 5 % (critical): pending → firing: 9 %; errors began 40 s after v3",
    ),
    (
        ev.ReleaseChanged(was=a_release("v3"), now=a_release("v2"), seen_by="lab", rollback=True),
        "the running release changed: v3 → v2, the rollback, seen by lab",
    ),
    (ev.VerificationStarted(checks=("health", "counts")), "verification began: health, counts"),
    (ev.CheckAnswered(check="users", verdict="pass", words="two can"), "said of the check users: PASS: two can"),
    (ev.CheckEnded(result=CHECK), "check Health: PASS: 200 in 12 ms"),
    (
        ev.VerificationEnded(
            verdict="fail", words="health fails", next=(ev.NextWay(kind="escalate", title="Escalate"),)
        ),
        "verification: FAIL: health fails; ways on: Escalate",
    ),
    (
        ev.WatchStarted(until=at(20), production_s=1800, window_s=20),
        "the watch began: 20 s (production 30 m), until 03:00:20 UTC",
    ),
    (
        ev.WatchStarted(until=at(1800), production_s=1800, window_s=1800),
        "the watch began: 30 m, until 03:30:00 UTC",
    ),
    (ev.WatchEnded(quiet=True, words=""), "the watch ended quietly"),
    (ev.WatchEnded(quiet=False, words="5xx rose"), "the watch ended with trouble: 5xx rose"),
    (
        ev.MessageQueued(message="m1", template="started", channel="slack", text="We roll\nback"),
        "message started for slack queued: We roll back",
    ),
    (ev.MessageSent(message="m1", receipt="ts 17"), "message m1 was sent: ts 17"),
    (ev.MessageSent(message="m1", receipt="", by_hand=True), "message m1 was sent by hand"),
    (ev.MessageFailed(message="m1", reason="429", final=False), "message m1 waits for another try: 429"),
    (ev.MessageFailed(message="m1", reason="404", final=True), "message m1 was not sent: 404"),
    (
        ev.Escalated(step=1, sentence="Call the lead", contacts=("lead",), elapsed_s=300.4),
        "escalation step 2 after 5 m: Call the lead – lead",
    ),
    (ev.ReportWritten(path="/r.md", sha256="ab" * 32), "report written: /r.md (abababababab)"),
    (ev.IncidentClosed(outcome="recovered", reason=""), "closed the incident as recovered"),
    (ev.Raw(body={"type": "later"}), 'an entry this warroom can\'t read: {"type": "later"}'),
]


@pytest.mark.parametrize(("body", "sentence"), SENTENCES, ids=[f"{b.type}-{n}" for n, (b, _) in enumerate(SENTENCES)])
def test_each_event_in_a_sentence(body: Body, sentence: str) -> None:
    assert words(an_event(body)) == sentence


def test_every_kind_of_event_has_a_sentence_here() -> None:
    kinds = set(get_args(get_args(Body)[0]))
    assert len(kinds) > 30
    assert {type(body) for body, _ in SENTENCES} == kinds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\r\n\tc  d", "a b c d"),
        ("\x1b[31mred\x1b]0;t\x07", "␛[31mred␛]0;t␇"),
        ("\x00\x7f\x9b", "␀␡‹U+009B›"),
        ("abc\u202edef\u2066", "abc‹U+202E›def‹U+2066›"),
        ("zero\u200bwidth\ufeff", "zero‹U+200B›width‹U+FEFF›"),
        ("half \udc80", "half ‹U+DC80›"),
        ("[@click=app.quit]x[/]", "[@click=app.quit]x[/]"),
        ("hard\u00a0space", "hard space"),
        ("日本 é 🚒", "日本 é 🚒"),
        ("x" * LONGEST, "x" * LONGEST),
        ("x" * (LONGEST + 1), "x" * (LONGEST - 1) + "…"),
        ("\n" * (5 * LONGEST) + "x", "…"),
    ],
)
def test_text_from_outside_is_one_line_with_nothing_hidden(text: str, shown: str) -> None:
    assert one_line(text) == shown
