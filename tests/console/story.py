"""A bad release as the engine would tell it: calm, firing, decided, rolled back, verified, closed. Or not recovered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.console.facts import (
    BAD,
    GOOD,
    OLDER,
    readings,
    the_diff,
    the_message,
    the_plan,
    the_tree,
    trigger,
)
from tests.console.pages import incident_lines, log_page, releases_page
from tests.console.runbook import a_runbook
from tests.console.samples import samples_page
from tests.console.scripted import ScriptedSession
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model import live as lv
from warroom.model.base import sha256
from warroom.model.kinds import matching
from warroom.model.plan import Look, Plan
from warroom.model.runbook import Runbook
from warroom.model.signal import LogHead
from warroom.model.verification import Artifact, CheckResult, Verdict
from warroom.session import Accepted, Refused, Reply
from warroom.testing.clock import START


class Story(ScriptedSession):
    """Answers each intent as the engine would; the rest of the plot is told by methods."""

    def __init__(
        self, runbook: Runbook | None = None, *, me: str = "op1", writable: bool = True, now: datetime = START
    ) -> None:
        super().__init__(runbook or a_runbook(), now, me=me, writable=writable)
        self.guards: tuple[lv.Guard, ...] = ()
        self.log_lines = 40
        self.lane: dict[str, Any] = {}
        self.ways: tuple[ev.NextWay, ...] = (
            ev.NextWay(kind="older-release", title=f"Go back to {OLDER.name} instead", release=OLDER),
            ev.NextWay(kind="procedure", title="Option B: Docker Compose", procedure="option-b"),
            ev.NextWay(kind="escalate", title="Escalate to the CTO"),
        )
        self.on = {
            it.OpenIncident: self._open,
            it.TakeWheel: lambda i: self._say(ev.WheelTaken()),
            it.AnswerQuestion: lambda i: self._say(ev.TreeAnswered(node=i.node, answer=i.answer, reason=i.reason)),
            it.Decide: lambda i: self._say(
                ev.Decided(choice=i.choice, reason=i.reason, followed_advice=i.choice == "rollback-now")
            ),
            it.MarkItem: lambda i: self._say(ev.ItemMarked(item=i.item, mark=i.mark, reason=i.reason)),
            it.AddNote: lambda i: self._say(ev.NoteAdded(text=i.text, about=i.about)),
            it.Acknowledge: lambda i: self._say(ev.Acknowledged(what=i.what)),
            it.CaptureEvidence: self._capture,
            it.Attach: lambda i: self._say(ev.Attached(name=i.name, sha256="0" * 64, size=len(i.text))),
            it.ChooseTarget: self._target,
            it.ProposePlan: self._propose,
            it.ApprovePlan: lambda i: self._say(ev.PlanApproved(hash=i.hash)),
            it.RunPlan: self._run,
            it.AbortRun: self._abort,
            it.RunEmergency: self._run_lane,
            it.AnswerCheck: lambda i: self._say(ev.CheckAnswered(check=i.check, verdict=i.verdict, words=i.words)),
            it.ResolveStep: self._resolve,
            it.ClaimStep: lambda i: None,
            it.Undo: lambda i: Refused(reason="Nothing was run that has an inverse."),
            it.Verify: lambda i: self._say(ev.VerificationStarted(checks=tuple(self.runbook.verification))),
            it.Notify: self._notify,
            it.Escalate: lambda i: self._say(
                ev.Escalated(step=1, sentence="Notify CTO", contacts=("cto",), elapsed_s=10)
            ),
            it.WriteReport: lambda i: self._say(ev.ReportWritten(path="inc-0042/report.md", sha256="0" * 64)),
            it.CloseIncident: lambda i: self._say(ev.IncidentClosed(outcome=i.outcome, reason=i.reason)),
        }
        self.pages = {
            lv.LogQuery: lambda q: log_page(q, self.log_lines, START),
            lv.SamplesQuery: lambda q: samples_page(q, self._now),
            lv.ReleasesQuery: lambda q: releases_page((BAD, GOOD, OLDER), BAD),
            lv.DiffQuery: lambda q: lv.DiffPage(diff=the_diff()),
            lv.MessageQuery: lambda q: lv.MessagePage(
                template=q.template, text=the_message(q.template), channels=("team-chat",)
            ),
            lv.GuardsQuery: lambda q: lv.GuardsPage(guards=self.guards),
            lv.CommandsQuery: lambda q: lv.CommandsPage(
                commands=(
                    lv.CommandLine(
                        at=START, door="read", text="curl -fsS http://127.0.0.1:7001/status", status=200, seconds=0.1
                    ),
                )
            ),
            lv.TimelineQuery: self._timeline,
            lv.EmergencyQuery: self._lane,
            lv.WaysQuery: self._ways,
            lv.IncidentsQuery: lambda q: lv.IncidentsPage(incidents=incident_lines()[: q.limit], total=3),
            lv.DraftQuery: lambda q: lv.DraftPage(text=q.text.replace("hunter2hunter2", "‹redacted: password›")),
        }

    def _say(self, *bodies: ev.Body) -> Reply | None:
        self.push(*bodies, who=self.me)
        return None

    def _timeline(self, query: lv.TimelineQuery) -> lv.TimelinePage:
        fits = matching(query.kinds, query.contains)
        found = [e for e in self.events if (query.before is None or e.seq < query.before) and fits(e)]
        shown = found[-query.limit :]
        looked = shown[0].seq if len(found) > len(shown) else 1
        return lv.TimelinePage(events=tuple(shown), total=len(self.events), looked=looked)

    def _lane(self, query: lv.EmergencyQuery) -> lv.EmergencyPage:
        """As the engine works it out; ``lane`` is what a test has it say otherwise."""
        target = next((r for r in (GOOD, OLDER) if query.target in (r.version, r.commit, r.digest)), GOOD)
        stops = query.purpose == "stop-writes"
        plan = the_plan("stop-writes" if stops else query.procedure or "lab-rollback", target)
        if stops:
            plan = plan.model_copy(update={"target": None, "purpose": "stop-writes", "title": "Stop all writes"})
        named = "" if self.runbook.environment.kind == "drill" else self.runbook.service
        page = lv.EmergencyPage(
            purpose=query.purpose,
            plan=plan,
            hash=plan.hash,
            running=BAD,
            reason="" if stops else "the newest before v1.0.0-beta.3; it ran well",
            diff=None if stops else the_diff(),
            waives=(
                lv.Guard(id="notified", words="The stakeholders have not been notified", hard=False),
                lv.Guard(id="evidence", words="No evidence is sealed: capture it", hard=False),
            ),
            name_to_type=named,
            opens=self.state.incident is None,
        )
        return page.model_copy(update=self.lane)

    def _ways(self, query: lv.WaysQuery) -> lv.WaysPage:
        checked, plan = self.state.verification, self.state.plan
        if plan is not None and plan.status in ("cancelled", "failed"):
            return lv.WaysPage(ways=self.ways, words=f"{plan.plan.title} was stopped")
        verdict = (checked.verdict or "") if checked else ""
        return lv.WaysPage(ways=self.ways, words=f"{verdict.upper()}: {checked.words}" if checked else "")

    # The plot

    def calm(self) -> None:
        self.live(**readings(error=0.004, p95=180, spark=(0.004, 0.003, 0.005, 0.004), status="ok"), **self._heads(0))

    def fires(self) -> None:
        """Sign-in fails for a share of users; 5xx has been above 5 % for longer than its window."""
        self.live(
            **readings(error=0.124, p95=3120, spark=(0.004, 0.004, 0.03, 0.07, 0.1, 0.124), status="firing"),
            **self._heads(7),
        )
        self.live(tree=the_tree())

    def recovers(self) -> None:
        self.live(
            **readings(error=0.006, p95=210, spark=(0.124, 0.12, 0.05, 0.01, 0.006), status="ok"), **self._heads(9)
        )

    def _heads(self, errors: int) -> dict[str, lv.LiveValue]:
        return {
            f"log-{name}": LogHead(source=name, lines=self.log_lines // 2, errors=e + 90, lately=e, over="in 5 m")
            for name, e in (("web", errors), ("db", 0))
        }

    def _open(self, intent: it.OpenIncident) -> Reply | None:
        self.opened(intent.title, who=self.me)
        return Accepted(seq=self.state.seq, words="inc-0042 is open")

    def opened(self, title: str, who: str = "engine") -> None:
        reading = trigger("high-error-rate", "High error rate", "firing", "error-rate", 0.124)
        self.push(
            ev.IncidentOpened(
                incident="inc-0042",
                title=title,
                detected_at=self._now - timedelta(seconds=72),
                severity="critical",
                triggers=(reading,),
                running=BAD,
                fingerprint={"lab": "lab-7f3a"},
                runbook=self.runbook,
                runbook_hash=self.runbook.hash,
            ),
            ev.TreeChanged(reading=the_tree()),
            who=who,
        )

    def _capture(self, intent: it.CaptureEvidence) -> Reply | None:
        return self._say(ev.EvidenceStarted(bundle="b1", collectors=("logs", "samples", "pg-dump", "console")))

    def sealed(self) -> None:
        made = Artifact(name="logs/web.log", collector="logs", size=91234, sha256="0" * 64, at=self._now)
        self.push(
            ev.EvidenceCollected(bundle="b1", collector="logs", artifacts=(made,)),
            ev.EvidenceSealed(
                bundle="b1", path="evidence/b1", seal=sha256(b"b1"), files=6, size=1_204_331, kinds=("logs", "dump")
            ),
        )

    def _target(self, intent: it.ChooseTarget) -> Reply | None:
        for release in (GOOD, OLDER):
            if intent.text in (release.version, release.commit, release.digest):
                return self._say(
                    ev.TargetChosen(
                        release=release, reason="the newest release that ran without a trigger", diff=the_diff()
                    )
                )
        return Refused(reason=f"No release {intent.text!r} is known, and it is neither a commit nor a digest.")

    def _propose(self, intent: it.ProposePlan) -> Reply | None:
        target = self.state.target.release if self.state.target else GOOD
        plan = the_plan(intent.procedure, target)
        return self._say(ev.PlanProposed(plan=plan, hash=plan.hash))

    def _run(self, intent: it.RunPlan) -> Reply | None:
        plan = self._plan
        self._say(ev.RunStarted(hash=plan.hash, waived=intent.waive))
        self.step_begins("deploy")
        return None

    def _run_lane(self, intent: it.RunEmergency) -> Reply | None:
        """What was shown under this hash is what runs."""
        pages = [self._lane(lv.EmergencyQuery(purpose=purpose)) for purpose in ("rollback", "stop-writes")]
        page = next((page for page in pages if page.hash == intent.hash), None)
        if page is None or page.plan is None:
            return Refused(reason="The plan changed since you saw it")
        if self.state.incident is None:
            self.opened("High error rate", who=self.me)
        self._say(
            ev.WheelTaken(),
            ev.PlanProposed(plan=page.plan, hash=page.hash),
            ev.PlanApproved(hash=page.hash),
            ev.RunStarted(hash=page.hash, waived=tuple(guard.words for guard in page.waives)),
        )
        self.step_begins(page.plan.steps[0].id)
        return None

    @property
    def _plan(self) -> Plan:
        assert self.state.plan is not None
        return self.state.plan.plan

    def step_begins(self, step: str, attempt: int = 1) -> None:
        found = next(s for s in self._plan.steps if s.id == step)
        self.push(
            ev.StepIntended(
                plan=self._plan.hash,
                step=step,
                attempt=attempt,
                calls=found.preview.calls,
                inverse=found.preview.inverse,
            )
        )
        self.live(
            progress=lv.StepProgress(
                step=step,
                attempt=attempt,
                elapsed_s=0,
                expected_s=found.preview.expected_s,
                words="2 of 3 replicas serve v1.0.0-beta.2",
                output=("pulling", "starting replica 2"),
            )
        )

    def step_ends(
        self, step: str, status: str = "done", detail: str = "", look: Look | None = None, attempt: int = 1
    ) -> None:
        body = {
            "plan": self._plan.hash,
            "step": step,
            "attempt": attempt,
            "status": status,
            "detail": detail,
            "look": look,
        }
        self.push(ev.StepEnded.model_validate(body))

    def runs_through(self) -> None:
        """The rest of the run, to its end, and the target serving."""
        self.pass_time(7)
        self.step_ends("deploy")
        self.step_begins("settle")
        self.pass_time(11)
        self.step_ends("settle")
        target = self._plan.target
        self.push(
            ev.RunEnded(hash=self._plan.hash, outcome="done", detail="", seconds=18),
            ev.ReleaseChanged(was=BAD, now=target, seen_by="lab"),
        )

    def crashed(self) -> None:
        """After kill -9 in the middle of a step: the next engine looked, and asks."""
        self.pass_time(9)
        look = Look(verdict="partly", seen="1 of 3 replicas serves v1.0.0-beta.2")
        self.push(ev.EngineStarted(pid=4711, version="0.0.0"))
        self.step_ends("deploy", "unknown", "the engine stopped while it ran", look)
        self.push(ev.RunEnded(hash=self._plan.hash, outcome="unknown", detail="step deploy is unknown", seconds=9))

    def _resolve(self, intent: it.ResolveStep) -> Reply | None:
        return self._say(
            ev.StepResolved.model_validate({**intent.model_dump(exclude={"type", "hash"}), "plan": intent.hash})
        )

    def _abort(self, intent: it.AbortRun) -> Reply | None:
        return self._say(ev.AbortAsked(hash=intent.hash))

    def verified(self, verdict: Verdict = "pass") -> None:
        results = []
        for name, check in self.runbook.verification.items():
            bad = verdict if name in ("error-rate", "identity") else "pass"
            words = (
                {"error-rate": "8.1 % of 412 requests, limit 5 %"}.get(name, "as it should be")
                if bad != "pass"
                else "412 requests seen"
            )
            results.append(
                CheckResult(id=name, title=check.sentence, verdict=bad, words=words, proves=check.proves or "")
            )
        ways = self.ways if verdict != "pass" else ()
        words = "recovered: every check passes" if verdict == "pass" else "not recovered: 2 of 6 checks fail"
        self.push(
            *(ev.CheckEnded(result=result) for result in results),
            ev.VerificationEnded(verdict=verdict, words=words, next=ways),
        )
        if verdict == "pass":
            self.push(ev.WatchStarted(until=self._now + timedelta(seconds=60), production_s=1800, window_s=60))

    def watched(self) -> None:
        self.pass_time(60)
        self.push(ev.WatchEnded(quiet=True, words="nothing fired for 1 m, and nothing changed the release"))

    def _notify(self, intent: it.Notify) -> Reply | None:
        number = f"m{len(self.state.messages) + 1}"
        self.push(
            ev.MessageQueued(message=number, template=intent.template, channel="team-chat", text=intent.text),
            who=self.me,
        )
        self.push(ev.MessageSent(message=number, receipt="ok"))
        return None
