"""The runner alone: what it records, in which order, and what each way of going wrong comes to."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.world import until
from warroom.actions.changing import Changing
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient
from warroom.actions.platform import ActivePlatform
from warroom.actions.runner import Ports, Runner
from warroom.api import Context, Facts, Plugin
from warroom.engine.core import SystemClock
from warroom.errors import BadInput, TimedOut, Unreachable, WarroomError
from warroom.model import event as ev
from warroom.model.call import Call, CallResult, HttpCall, ManualCall, ProcessCall, Ref
from warroom.model.live import StepProgress
from warroom.model.plan import Look, Preview, Step
from warroom.model.state import StepState
from warroom.redact import Redactor
from warroom.testing.builders import a_call, a_plan, a_step
from warroom.testing.fakes import FakeSecrets, a_context

BEGUN, DONE, PARTLY = (
    Look(verdict="not-begun", seen="v3"),
    Look(verdict="done", seen="v2"),
    Look(verdict="partly", seen="half"),
)
BLIND = Look(verdict="cannot-tell", seen="no answer")


class Args(BaseModel):
    pass


class Config(BaseModel):
    pass


@dataclass
class Bench:
    """An operation whose facts and looks a test sets, the runner's ports, and all that was recorded."""

    name = "do"
    title = "Do it"
    risk: Any = "disruptive"
    args: type[BaseModel] = Args
    looks: Any = DONE
    pinned: dict[str, Any] = field(default_factory=lambda: {"spec": "a"})
    outputs_are: Any = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    recorded: list[Any] = field(default_factory=list)
    shown: list[StepProgress] = field(default_factory=list)
    identity: str | None = "lab-0001"
    runner: Runner | None = None

    async def facts(self, ctx: Context, args: Any) -> Facts:
        await asyncio.sleep(0)
        return dict(self.pinned)

    def preview(self, config: Any, args: Any, facts: Facts) -> Preview:
        return Preview(calls=(a_call(),), no_inverse="none", pinned=dict(facts))

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {key: value(results) if callable(value) else value for key, value in self.outputs_are.items()}

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        look = self.looks() if callable(self.looks) else self.looks
        if isinstance(look, Exception):
            raise look
        assert isinstance(look, Look)
        return look

    async def request(self, method: str, url: str, **more: Any) -> CallResult:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, CallResult) else CallResult(status=answer)

    async def record(self, *bodies: Any) -> int:
        await asyncio.sleep(0)
        self.recorded += bodies
        return len(self.recorded)

    async def fingerprint(self, platform: str) -> str | None:
        return self.identity

    def prepared(self, *steps: Step, states: Mapping[str, StepState] | None = None) -> Runner:
        redactor, clock = Redactor(), SystemClock()
        http = HttpClient()
        http.request = self.request  # type: ignore[method-assign]
        plugin = Plugin(name="lab", version="1", config=Config, operations=(self,))

        def changing(platform: ActivePlatform, calls: tuple[Call, ...]) -> Changing:
            log = CommandLog()
            return Changing(calls, http=http, log=log, clock=clock, cleaner=redactor, secret=FakeSecrets({}))

        ports = Ports(
            record=self.record,
            progress=self.shown.append,
            changing=changing,
            platforms={"lab": ActivePlatform("lab", plugin, a_context(Config()))},
            read_fingerprint=self.fingerprint,
            clock=clock,
            cleaner=redactor,
        )
        plan = a_plan(*steps)
        self.runner = Runner(plan, plan.hash, {**{s.id: StepState() for s in steps}, **(states or {})}, ports)
        return self.runner

    async def runs(self, *steps: Step, **more: Any) -> str:
        return await self.prepared(*steps, **more).run()

    def kinds(self) -> list[str]:
        return [body.type for body in self.recorded]

    def ended(self, step: str = "one") -> ev.StepEnded:
        (found,) = [b for b in self.recorded if isinstance(b, ev.StepEnded) and b.step == step]
        return found

    def end(self) -> ev.RunEnded:
        assert isinstance(self.recorded[-1], ev.RunEnded)
        return self.recorded[-1]


def program(code: str, *words: str, **more: Any) -> ProcessCall:
    return ProcessCall(argv=(sys.executable, "-c", code, *words), **more)


def writes(path: Path, text: str = "x") -> ProcessCall:
    return program("import sys; open(sys.argv[1], 'a').write(sys.argv[2]); print(sys.argv[2])", str(path), text)


WAITS = program("import time; time.sleep(600)", timeout_s=600)


def step(name: str, *calls: Call, pinned: dict[str, Any] | None = None, **more: Any) -> Step:
    preview = {key: more.pop(key) for key in ("timeout_s", "changes", "inverse", "check_s") if key in more}
    made = Preview(calls=calls, no_inverse="none", pinned={"spec": "a"} if pinned is None else pinned, **preview)
    return a_step(name, title=f"Step {name}", operation="do", preview=made, **more)


async def test_each_step_is_intended_before_its_effect_and_ended_after_a_look(tmp_path: Path) -> None:
    bench = Bench()
    there: list[bool] = []
    record = bench.record

    async def noted(*bodies: Any) -> int:
        there.append((tmp_path / "one").exists())
        return await record(*bodies)

    bench.record = noted  # type: ignore[method-assign]
    assert await bench.runs(step("one", writes(tmp_path / "one"))) == "done"
    assert bench.kinds() == ["step-intended", "call-made", "step-ended", "run-ended"]
    assert there == [False, True, True, True]
    assert bench.recorded[0].calls == (writes(tmp_path / "one"),)
    assert bench.ended().look == DONE


@pytest.mark.parametrize(
    ("looks", "outcome"), [(DONE, "done"), (BEGUN, "failed"), (PARTLY, "failed"), (BLIND, "unknown")]
)
@pytest.mark.parametrize("how", ["timeout", "call-timeout", "unreachable", "timed-out", "as-expected"])
async def test_what_nobody_knows_is_what_a_look_says(how: str, looks: Look, outcome: str) -> None:
    bench = Bench(looks=looks)
    slow, ask = program("import time; time.sleep(600)", timeout_s=0.2), HttpCall(method="POST", url="http://x/")
    calls: dict[str, tuple[list[Any], Step]] = {
        "timeout": ([], step("one", WAITS, timeout_s=0.3)),
        "call-timeout": ([], step("one", slow)),
        "unreachable": ([Unreachable("x is away")], step("one", ask)),
        "timed-out": ([TimedOut("x is slow")], step("one", ask)),
        "as-expected": ([200], step("one", ask)),
    }
    bench.answers, tried = calls[how]
    assert await bench.runs(tried) == outcome
    assert bench.ended().status == outcome
    assert looks.seen in bench.ended().detail
    assert bench.end().outcome == outcome


@pytest.mark.parametrize(
    "looks", [ZeroDivisionError("x"), WarroomError("away"), "hangs"], ids=["fault", "away", "hangs"]
)
async def test_a_look_that_fails_cannot_tell(looks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(looks=looks)
    if looks == "hangs":
        monkeypatch.setattr(Bench, "check", lambda *_: asyncio.Event().wait())
    patience: dict[str, Any] = {"check_s": 0.05} if looks == "hangs" else {}
    assert await bench.runs(step("one", program(""), **patience)) == "unknown"
    look = bench.ended().look
    assert look is not None
    assert look.verdict == "cannot-tell"
    assert {"hangs": "no answer within 0.05 s"}.get(str(looks), str(looks)) in look.seen


async def test_an_error_is_told_even_where_a_program_says_last_what_it_was_at() -> None:
    lines = ("restoring", "tool: error: no space left", "HINT: free some", "Command was: COPY a")
    words = "; ".join(f"print({line!r})" for line in lines)
    bench = Bench(looks=DONE)
    assert await bench.runs(step("one", program(f"{words}; import sys; sys.exit(1)"))) == "failed"
    assert "call 1 answered 1: tool: error: no space left" in bench.ended().detail


@pytest.mark.parametrize("looks", [DONE, BEGUN, BLIND])
async def test_an_answer_that_was_not_expected_is_a_failure_and_ends_the_run(looks: Look, tmp_path: Path) -> None:
    bench = Bench(looks=looks)
    broken = program("import sys; print('unpacking'); print('no room left', file=sys.stderr); sys.exit(3)")
    one = step("one", broken, writes(tmp_path / "next"))
    assert await bench.runs(one, step("two", writes(tmp_path / "two"))) == "failed"
    assert "call 1 answered 3: no room left" in bench.ended().detail
    assert bench.ended().look == looks
    assert bench.kinds() == ["step-intended", "call-made", "step-ended", "run-ended"]
    assert list(tmp_path.iterdir()) == []


async def test_a_status_the_call_expects_is_none() -> None:
    assert await Bench().runs(step("one", program("import sys; sys.exit(3)", expect=(3,)))) == "done"


async def test_a_program_that_is_not_there_is_a_failure() -> None:
    bench = Bench(looks=BEGUN)
    assert await bench.runs(step("one", ProcessCall(argv=("/not/there",)))) == "failed"
    assert "is not on this machine" in bench.ended().detail
    assert bench.ended().look == BEGUN


async def test_an_output_reaches_the_next_steps_call_and_its_intent(tmp_path: Path) -> None:
    bench = Bench(outputs_are={"id": lambda results: results[0].text.strip()})
    ref = writes(tmp_path / "two").model_copy(update={"argv": (*writes(tmp_path / "two").argv[:-1], REF)})
    inverse = (ProcessCall(argv=("undo", REF)),)
    one, two = step("one", writes(tmp_path / "one", "id-7")), step("two", ref, inverse=inverse)
    assert await bench.runs(one, two) == "done"
    intended = [body for body in bench.recorded if isinstance(body, ev.StepIntended)]
    assert intended[1].calls == (writes(tmp_path / "two", "id-7"),)
    assert intended[1].inverse == (ProcessCall(argv=("undo", "id-7")),), "an undo knows no outputs of this plan"
    assert (tmp_path / "two").read_text() == "id-7"


async def test_what_a_look_measured_stands_over_what_the_calls_said(tmp_path: Path) -> None:
    measured = DONE.model_copy(update={"outputs": {"downtime_s": "2.9"}})
    bench = Bench(outputs_are={"downtime_s": "1.9", "id": "7"}, looks=measured)
    assert await bench.runs(step("one", writes(tmp_path / "one"))) == "done"
    assert bench.ended().outputs == {"downtime_s": "2.9", "id": "7"}


REF = Ref(step="one", output="id")


async def test_an_output_of_a_run_that_was_cut_off_is_still_known(tmp_path: Path) -> None:
    bench = Bench()
    ref = ProcessCall(argv=(*writes(tmp_path / "two").argv[:-1], REF))
    settled = {"one": StepState(status="done", attempt=1, outputs={"id": "id-7"})}
    assert await bench.runs(step("one", writes(tmp_path / "one")), step("two", ref), states=settled) == "done"
    assert (tmp_path / "two").read_text() == "id-7"
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("given", [{}, {"other": "x"}, {"id": "--force"}], ids=["none", "another", "an option"])
async def test_an_output_that_is_missing_or_does_not_fit_stops_the_run_before_the_step(given: Any) -> None:
    bench = Bench(outputs_are=given)
    assert await bench.runs(step("one", program("")), step("two", ProcessCall(argv=("rm", REF)))) == "failed"
    assert bench.kinds() == ["step-intended", "call-made", "step-ended", "run-ended"]
    assert "step" in bench.end().detail


async def test_an_output_that_is_no_text_leaves_the_step_unknown_and_the_run_ended() -> None:
    bench = Bench(outputs_are={"id": 7})
    assert await bench.runs(step("one", program(""))) == "unknown"
    assert bench.kinds() == ["step-intended", "call-made", "run-ended"]


async def test_a_plugin_that_fails_over_the_outputs_is_judged_by_a_look() -> None:
    bench = Bench(outputs_are={"id": lambda results: 1 / 0})
    assert await bench.runs(step("one", program(""))) == "done"
    assert bench.ended().outputs == {}


async def test_a_step_for_a_person_is_never_executed_by_the_door() -> None:
    bench = Bench(looks=BEGUN)
    assert await bench.runs(step("one", ManualCall(text="switch it"))) == "failed"
    assert bench.kinds() == ["step-intended", "step-ended", "run-ended"]
    assert "manual step can't be executed" in bench.ended().detail


@pytest.mark.parametrize(
    ("looks", "platform", "status"),
    [(DONE, "lab", "done"), (BEGUN, "lab", "claimed"), (BLIND, "lab", "claimed"), (DONE, "", "claimed")],
    ids=["proven", "not seen", "blind", "nothing to look at"],
)
async def test_a_step_done_by_hand_is_claimed_and_proven_where_it_can_be(
    looks: Look, platform: str, status: str
) -> None:
    bench = Bench(looks=looks)
    runner = bench.prepared(step("one", program("raise SystemExit(1)"), manual=True, platform=platform))
    assert not runner.claim("one", "too early")
    work = asyncio.create_task(runner.run())
    await until(lambda: runner.waits_for("one"))
    assert not runner.claim("two", "")
    assert runner.claim("one", "it said ok\nmore")
    assert not runner.claim("one", "twice")
    assert await work == "done"
    assert bench.ended().status == status
    assert "a person says it is done: it said ok" in bench.ended().detail
    assert "call-made" not in bench.kinds()


async def test_nobody_claims_in_time() -> None:
    bench = Bench(looks=BEGUN)
    assert await bench.runs(step("one", program(""), manual=True, timeout_s=0.1)) == "failed"
    assert "not ended within 0.1 s" in bench.ended().detail


async def aborted(bench: Bench, runner: Runner, there: Any) -> str:
    work = asyncio.create_task(runner.run())
    await until(there)
    runner.abort()
    return await work


@pytest.mark.parametrize(("looks", "status"), [(DONE, "cancelled"), (PARTLY, "cancelled"), (BLIND, "unknown")])
async def test_an_abort_ends_the_program_and_says_what_is_left(looks: Look, status: str, tmp_path: Path) -> None:
    bench = Bench(looks=looks)
    waits = program("import sys, time; open(sys.argv[1], 'w').close(); time.sleep(600)", str(tmp_path / "begun"))
    runner = bench.prepared(step("one", waits, writes(tmp_path / "next")), step("two", writes(tmp_path / "two")))
    assert await aborted(bench, runner, (tmp_path / "begun").exists) == status
    assert (bench.ended().status, bench.ended().look) == (status, looks)
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]


async def test_an_abort_while_a_person_is_waited_for() -> None:
    bench = Bench(looks=BEGUN)
    runner = bench.prepared(step("one", program(""), manual=True))
    assert await aborted(bench, runner, lambda: runner.waits_for("one")) == "cancelled"
    assert not runner.claim("one", "too late")


async def test_an_abort_before_the_first_step_begins_nothing(tmp_path: Path) -> None:
    bench = Bench()
    runner = bench.prepared(step("one", writes(tmp_path / "one")))
    runner.abort()
    assert await runner.run() == "cancelled"
    assert bench.kinds() == ["run-ended"]


async def test_an_abort_while_the_facts_are_read_intends_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    bench = Bench()
    runner = bench.prepared(step("one", writes(tmp_path / "one")))

    async def read(platform: str) -> str:
        runner.abort()
        return "lab-0001"

    monkeypatch.setattr(runner._ports, "read_fingerprint", read)
    assert await runner.run() == "cancelled"
    assert bench.kinds() == ["run-ended"]


async def test_an_abort_while_the_intent_is_written_has_no_effect(tmp_path: Path, monkeypatch: Any) -> None:
    bench = Bench()
    runner = bench.prepared(step("one", writes(tmp_path / "one")))

    async def record(*bodies: Any) -> int:
        runner.abort()
        return await bench.record(*bodies)

    monkeypatch.setattr(runner._ports, "record", record)
    assert await runner.run() == "cancelled"
    assert bench.kinds() == ["step-intended", "step-ended", "run-ended"]
    assert "before anything was done" in bench.ended().detail
    assert list(tmp_path.iterdir()) == []


async def test_a_pinned_fact_that_changes_between_two_steps_voids_the_plan(tmp_path: Path) -> None:
    bench = Bench()

    def looks() -> Look:
        bench.pinned["spec"] = "b"
        return DONE

    bench.looks = looks
    assert await bench.runs(step("one", writes(tmp_path / "one")), step("two", writes(tmp_path / "two"))) == "failed"
    assert bench.kinds() == ["step-intended", "call-made", "step-ended", "plan-voided", "run-ended"]
    assert "spec is b now, a was shown" in bench.recorded[-2].reason
    assert not (tmp_path / "two").exists()


async def test_a_fact_that_an_earlier_step_changes_voids_nothing(tmp_path: Path) -> None:
    bench = Bench()

    def looks() -> Look:
        bench.pinned["spec"] = "b"
        return DONE

    bench.looks = looks
    steps = step("one", writes(tmp_path / "one"), changes=("spec",)), step("two", writes(tmp_path / "two"))
    assert await bench.runs(*steps) == "done"


async def test_what_a_settled_step_changed_counts_as_changed(tmp_path: Path) -> None:
    bench = Bench(pinned={"spec": "b"})
    steps = step("one", writes(tmp_path / "one"), changes=("spec",)), step("two", writes(tmp_path / "two"))
    for status in ("done", "skipped", "claimed"):
        settled = {"one": StepState.model_validate({"status": status, "attempt": 1})}
        assert await bench.runs(*steps, states=settled) == "done"
    assert not (tmp_path / "one").exists()
    assert (tmp_path / "two").read_text() == "xxx"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"identity": "lab-9999"}, "lab is another one now: lab-9999 instead of lab-0001"),
        ({"pinned": {}}, "spec is None now"),
    ],
    ids=["identity", "fact gone"],
)
async def test_another_world_stops_the_first_step(broken: Any, words: str, tmp_path: Path) -> None:
    bench = Bench(**broken)
    assert await bench.runs(step("one", writes(tmp_path / "one"))) == "failed"
    assert bench.kinds() == ["plan-voided", "run-ended"]
    assert words in bench.recorded[0].reason
    assert list(tmp_path.iterdir()) == []


async def test_an_identity_that_cannot_be_read_is_no_difference(tmp_path: Path) -> None:
    assert await Bench(identity=None).runs(step("one", writes(tmp_path / "one"))) == "done"


async def test_a_platform_that_is_gone_stops_the_step(tmp_path: Path) -> None:
    bench = Bench()
    assert await bench.runs(step("one", writes(tmp_path / "one"), platform="moon")) == "failed"
    assert bench.kinds() == ["plan-voided", "run-ended"]


@pytest.mark.parametrize("status", ["failed", "cancelled", "unknown", "planned"])
async def test_a_step_that_is_not_settled_is_run_once_more_as_another_attempt(status: str, tmp_path: Path) -> None:
    bench = Bench()
    before = {"one": StepState.model_validate({"status": status, "attempt": 3})}
    assert await bench.runs(step("one", writes(tmp_path / "one")), states=before) == "done"
    assert bench.ended().attempt == 4
    assert (tmp_path / "one").read_text() == "x"


@pytest.mark.parametrize(
    ("looks", "outcome", "told"),
    [(BEGUN, "done", "done"), (DONE, "failed", "not-begun"), (PARTLY, "failed", "partly")],
    ids=["taken-back", "still-there", "partly"],
)
async def test_an_undo_is_done_when_its_operation_is_not_begun(looks: Look, outcome: str, told: str) -> None:
    bench = Bench(looks=looks)
    assert await bench.runs(step("one", program(""), undoes=True)) == outcome
    assert bench.ended().look == Look.model_validate({"verdict": told, "seen": looks.seen})


async def test_an_undo_that_failed_is_told_as_not_begun_where_all_is_as_before_it() -> None:
    """What a person is told of it decides whether they call it done: "done" would be false."""
    bench = Bench(looks=DONE)
    assert await bench.runs(step("one", program("raise SystemExit(3)"), undoes=True)) == "failed"
    assert bench.ended().look == Look(verdict="not-begun", seen=DONE.seen)


@pytest.mark.parametrize("kind", ["step-intended", "call-made", "step-ended"])
async def test_a_record_that_fails_ends_the_run_where_that_can_be_recorded(kind: str, tmp_path: Path) -> None:
    bench = Bench()
    record = bench.record

    async def refusing(*bodies: Any) -> int:
        if any(body.type == kind for body in bodies):
            raise BadInput("this can't be stored")
        return await record(*bodies)

    bench.record = refusing  # type: ignore[method-assign]
    outcome = await bench.runs(step("one", writes(tmp_path / "one")))
    assert bench.kinds()[-1] == "run-ended"
    assert outcome == {"step-intended": "failed", "call-made": "failed", "step-ended": "unknown"}[kind]
    assert (tmp_path / "one").exists() == (kind != "step-intended")


async def test_being_ended_itself_leaves_the_intent_and_no_process(tmp_path: Path) -> None:
    bench = Bench()
    waits = program("import sys, time; open(sys.argv[1], 'w').close(); time.sleep(600)", str(tmp_path / "begun"))
    before = asyncio.all_tasks()
    work = asyncio.create_task(bench.runs(step("one", waits)))
    await until((tmp_path / "begun").exists)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert bench.kinds() == ["step-intended"]
    assert asyncio.all_tasks() - before == set()


def _newest(bench: Bench) -> str:
    found = re.search(r"line \d+", bench.shown[-1].output[-1]) if bench.shown[-1].output else None
    return found[0] if found else ""


async def test_progress_shows_the_newest_lines_and_nothing_that_must_not_be_drawn() -> None:
    bench = Bench()
    many = "for n in range(100): print(f'\\x1b]0;owned\\x07 line {n} ' + 'x' * 1000, flush=True)\n"
    many += "import time; time.sleep(600)"
    runner = bench.prepared(step("one", program(many)))
    assert await aborted(bench, runner, lambda: bool(bench.shown) and _newest(bench) == "line 99") == "cancelled"
    newest = bench.shown[-1]
    assert newest.step == "one"
    assert newest.elapsed_s > 0
    assert "line 99" in newest.output[-1]
    assert all("\x1b" not in line and "\x07" not in line and len(line) <= 500 for line in newest.output)
