"""What a swap kept and a restore left beside: told and needed while it is there, and never once it was dropped."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engines import World, a_running
from tests.world import PLUGIN, Deploy, effects, until
from warroom.actions.planner import Situation, undo_plan
from warroom.decision.guards import guards
from warroom.engine.ways import Ways
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.cutover import runs, still_there, to_put_back
from warroom.model.event import Actor, Body
from warroom.model.kept import kept, stuck
from warroom.model.live import Guard
from warroom.model.next import next_action
from warroom.model.plan import Plan, Preview
from warroom.model.runbook import Runbook
from warroom.model.verification import CheckResult
from warroom.report import post_mortem
from warroom.testing.builders import a_call, a_plan, a_preview, a_runbook, a_state, a_step, an_incident, at, events

BACK = (a_call("back"),)
LOSES = "you lose 95 rows of Message"


def restore(name: str) -> Plan:
    preview = a_preview(inverse=BACK, keeps=(name,))
    named = {"title": "Restore it", "args": {"backup": name}}  # the hash covers arguments, and not what is said
    step = a_step("restore", role="other", operation="restore", preview=preview, **named)
    return a_plan(step, id=f"restore-{name}", purpose="other", procedure="restore", target=None)


def swap(inward: str, keeps: str) -> Plan:
    preview = a_preview(
        inverse=BACK, loses=(LOSES,), leaves=(f"the old one is {keeps}",), keeps=(keeps,), ends=(inward,)
    )
    step = a_step("swap", role="database", operation="swap", title="Swap them", args={"it": inward}, preview=preview)
    return a_plan(step, id=f"swap-{keeps}", procedure="swap")


def drop(name: str) -> Plan:
    step = a_step("drop", role="other", operation="drop", args={"it": name}, preview=a_preview(ends=(name,)))
    return a_plan(step, id=f"drop-{name}", purpose="other", procedure="drop", target=None)


def undo(plan: Plan) -> Plan:
    situation = Situation("INC", a_runbook(), None, None, {})
    made = undo_plan(situation, [(step, BACK) for step in plan.steps], f"Undo {plan.title}")
    return made.model_copy(update={"id": f"undo-{plan.id}"})


def proposed(plan: Plan) -> ev.PlanProposed:
    return ev.PlanProposed(plan=plan, hash=plan.hash)


def ran(plan: Plan, status: Any = "done", **outputs: str) -> tuple[Body, ...]:
    step = plan.steps[0].id
    return (
        proposed(plan),
        ev.RunStarted(hash=plan.hash),
        ev.StepIntended(plan=plan.hash, step=step, attempt=1, calls=(a_call(),), inverse=None),
        ev.StepEnded(plan=plan.hash, step=step, attempt=1, status=status, detail="", outputs=outputs),
        ev.RunEnded(hash=plan.hash, outcome=status, detail="", seconds=1),
    )


def checked(verdict: Any, proves: str = "integrity-verified") -> tuple[Body, ...]:
    result = CheckResult(id="counts", title="Counts", verdict=verdict, words="15 rows too many", proves=proves)
    return (
        ev.VerificationStarted(checks=("counts",)),
        ev.CheckEnded(result=result),
        ev.VerificationEnded(verdict=verdict, words="1 check failed"),
    )


SWAP = swap("scratch", "before")
DROP = drop("before")


@pytest.mark.parametrize(
    ("bodies", "there"),
    [
        ((), []),
        (ran(restore("scratch")), ["scratch"]),
        ((*ran(restore("scratch")), *ran(restore("other"))), ["scratch", "other"]),
        ((*ran(restore("scratch")), *ran(SWAP)), ["before"]),
        ((*ran(restore("scratch")), *ran(SWAP), *ran(undo(SWAP))), ["scratch"]),
        ((*ran(SWAP), *ran(DROP)), []),
        ((*ran(SWAP), *ran(DROP, "failed")), ["before"]),
        ((*ran(SWAP), *ran(swap("before", "newer"))), ["newer"]),
    ],
    ids=["nothing", "restored", "two", "swapped", "taken back", "dropped", "not dropped", "swapped in again"],
)
def test_what_lies_beside_is_what_was_left_there_and_neither_dropped_nor_put_to_use(
    bodies: tuple[Body, ...], there: list[str]
) -> None:
    assert list(kept(runs(a_state(*bodies)))) == there
    text = post_mortem(events(an_incident(), *bodies), now=at(60))
    told = [line for line in text.splitlines() if line.startswith("- Left behind: ")]
    assert len(told) == len(there), told
    assert all(name in line for name, line in zip(there, told, strict=True))


def test_what_is_left_of_a_restore_is_told_by_its_name_and_by_what_made_it() -> None:
    assert "- Left behind: scratch, by “Restore it” [#" in post_mortem(
        events(an_incident(), *ran(restore("scratch"))), now=at(60)
    )


def test_a_swap_is_taken_back_only_while_what_it_kept_is_there() -> None:
    swapped = a_state(*ran(SWAP))
    assert to_put_back(swapped) is not None
    assert stuck(runs(swapped), SWAP.steps) is None
    dropped = a_state(*ran(SWAP), *ran(DROP))
    assert to_put_back(dropped) is None
    found = stuck(runs(dropped), SWAP.steps)
    assert found is not None
    assert (found.step.title, found.why) == ("Swap them", f"before was dropped at {at(9):%H:%M} UTC")
    failed = a_state(*ran(SWAP), *ran(DROP, "failed"))
    assert to_put_back(failed) is not None


def test_a_way_on_that_was_found_goes_with_what_it_would_put_back() -> None:
    back = ev.NextWay(kind="put-back", title="Take it back: Swap", run=SWAP.hash)
    ways = (back, ev.NextWay(kind="escalate", title="Escalate"))
    verified = (
        ev.VerificationStarted(checks=("counts",)),
        ev.VerificationEnded(verdict="fail", words="1 check failed", next=ways),
    )
    assert still_there(a_state(*ran(SWAP), *verified), ways) == ways
    dropped = a_state(an_incident(), *ran(SWAP), *verified, *ran(DROP))
    assert still_there(dropped, ways) == ways[1:]
    assert still_there(a_state(*ran(SWAP), *ran(undo(SWAP))), ways) == ways[1:]


def test_a_restore_is_not_taken_back_once_it_serves() -> None:
    steps = restore("scratch").steps
    found = stuck(runs(a_state(*ran(restore("scratch")), *ran(SWAP))), steps)
    assert found is not None
    assert "scratch is there no more" in found.why
    assert stuck(runs(a_state(*ran(restore("scratch")), *ran(SWAP), *ran(undo(SWAP)))), steps) is None


def only_copy(*bodies: Body, plan: Plan = DROP) -> Guard | None:
    found = guards(a_runbook(), a_state(*bodies, proposed(plan)), fingerprints={}, me=Actor(name="op1"))
    return next((guard for guard in found if guard.id == "only-copy-drop"), None)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ((), "recovery has not been verified since"),
        (checked("fail"), "recovery is not proven: verification said FAIL"),
        (checked("inconclusive"), "recovery is not proven: verification said INCONCLUSIVE"),
    ],
    ids=["nobody looked", "fail", "inconclusive"],
)
def test_the_only_copy_of_what_was_lost_goes_by_a_reason_while_recovery_is_not_proven(
    after: tuple[Body, ...], why: str
) -> None:
    only = "before is the only copy of the rows that “Swap them” lost"
    said = only_copy(*ran(SWAP), *after)
    assert said is not None
    assert (said.hard, said.words) == (False, f"{only}, and {why}")
    said = only_copy(*ran(SWAP, words=LOSES), *after)
    assert said is not None
    assert said.words == f"{only} ({LOSES}), and {why}", "how many is told where it is known"


def test_what_is_no_only_copy_is_dropped_without_that_reason() -> None:
    assert only_copy(*ran(SWAP), *checked("pass")) is None
    assert only_copy(*checked("pass"), *ran(SWAP)) is not None, "that was before the swap"
    assert only_copy(*ran(restore("scratch")), plan=drop("scratch")) is None, "its backup can be restored again"


def test_a_drop_does_not_make_a_failed_verification_forgotten() -> None:
    decided = ev.Decided(choice="rollback", reason="", followed_advice=True)
    settled = [ev.ItemMarked(item=item, mark="waived", reason="a test") for item in ("notify", "capture")]
    before = (decided, *settled, *ran(SWAP), *checked("fail"))
    found = next_action(a_runbook(), a_state(*before, *ran(DROP)))
    assert (found.action, found.sentence) == ("verify", "Verification said FAIL: verify again")
    found = next_action(a_runbook(), a_state(*before, *ran(swap("other", "newer"))))
    assert (found.action, found.sentence) == ("verify", "Verify the recovery")


STEP = {"title": "Do it", "op": "lab.restart"}
PROCEDURES: dict[str, Any] = {
    "option-a": {"title": "Option A", "use_when": "bad", "steps": {"up": {**STEP, "role": "application"}}},
    "restore": {
        "title": "Restore beside",
        "use_when": "always",
        "kind": "other",
        "then": "swap",
        "steps": {"restore": STEP, "compare": STEP},
    },
    "compare": {"title": "Compare again", "use_when": "always", "kind": "other", "then": "swap", "steps": {"it": STEP}},
    "swap": {
        "title": "Swap",
        "use_when": "it was compared",
        "kind": "database",
        "steps": {"swap": {**STEP, "role": "database"}},
    },
    "stop": {"title": "Stop", "use_when": "bad", "kind": "stop-writes", "steps": {"stop": STEP}},
}


async def ways(*bodies: Body) -> list[str]:
    book: Runbook = a_runbook(procedures=PROCEDURES)

    async def releases() -> Any:
        return SimpleNamespace(releases=(), running=None)

    core: Any = SimpleNamespace(state=a_state(*bodies), runbook=book, platforms=book.platforms)
    preparing: Any = SimpleNamespace(releases=releases)
    return [way.title for way in await Ways(core, preparing).on(again=False)]


async def test_where_the_rows_are_wrong_after_a_swap_the_first_ways_on_are_of_the_database() -> None:
    rest = ["Another way: Option A", "Stop"]
    took = await ways(*ran(SWAP), *checked("fail"))
    assert took[:3] == ["Take it back: Roll the lab back", "Compare again", "Restore beside"]
    assert [title for title in took[3:] if title in rest] == rest
    assert len(took) == len(set(took)), "none is offered twice"
    dropped = await ways(*ran(SWAP), *ran(DROP), *checked("fail"))
    assert dropped[:2] == ["Compare again", "Restore beside"], "and it is not offered to take it back"
    assert not [title for title in dropped if title.startswith("Take it back")]
    other = await ways(*ran(SWAP), *checked("fail", proves="users-verified"))
    assert other[:2] == rest, "nothing says that it is the rows"


class Keeping(Deploy):
    """v2 takes the place of what runs, which it keeps; v1 drops that."""

    def preview(self, config: Any, args: Any, facts: Any) -> Preview:
        made = super().preview(config, args, facts)
        if args.release == "v1":
            return made.model_copy(update={"inverse": None, "no_inverse": "it is gone", "ends": ("before",)})
        return made.model_copy(update={"keeps": ("before",)})


async def done(world: World, release: str) -> None:
    await world.ok(it.ProposePlan(procedure=release))
    await world.run(world.state.plan.hash)
    await until(lambda: world.state.plan.status == "done" and not world._acting.running)


async def test_an_undo_of_what_was_dropped_is_refused_with_its_name_and_when(tmp_path: Path) -> None:
    procedures = {
        release: {
            "title": release,
            "use_when": "always",
            "kind": "other",
            "needs": ["world"],
            "steps": {"deploy": {"title": "Deploy it", "op": "world.deploy", "with": {"release": release}}},
        }
        for release in ("v1", "v2")
    }
    plugin = dataclasses.replace(PLUGIN, operations=(Keeping(),))
    async with a_running(tmp_path, plugin=plugin, procedures=procedures) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await done(world, "v2")
        swapped = world.state.plan.hash
        await done(world, "v1")
        for asked in (it.Undo(), it.Undo(run=swapped)):
            said = await world.refused(asked)
            assert "“Deploy it” can't be taken back" in said
            assert "before was dropped at " in said
        assert effects(world.folder) == ["v2", "v1"]
