"""Names, replies and verdicts that would lead a run, or who pastes from it, astray."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.engines import a_running
from tests.world import Deploy, effects, until
from warroom.actions.binding import fill_commands
from warroom.actions.doors import HttpClient
from warroom.errors import BadInput
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.event import Body
from warroom.model.fold import fold_all
from warroom.model.plan import Look
from warroom.testing.builders import a_plan, a_preview, a_release, a_step, an_incident, events

LINES = ("git checkout --detach '${target.version}'", "docker pull registry/app:${target.version}")


@pytest.mark.parametrize("name", ["v1;id", "v1' ; id '", "--upload-pack=id", "$(id)", "v1\nid", "`id`", "v 1", "a\\"])
def test_a_release_named_by_others_is_no_command_in_what_people_paste(name: str) -> None:
    with pytest.raises(BadInput, match="command line"):
        fill_commands(LINES, {"target.version": name})


def test_a_plain_name_and_what_the_runbook_names_itself_are_filled_in() -> None:
    names = {"target.version": "v1.0.0-beta.2", "running.version": "$(id)", "service": "the shop's app"}
    assert fill_commands((*LINES, "echo '${service}'"), names) == (
        "git checkout --detach 'v1.0.0-beta.2'",
        "docker pull registry/app:v1.0.0-beta.2",
        "echo 'the shop's app'",
    )


NO_JSON = {
    "nan": b'{"a": NaN}',
    "infinite": b'{"a": 1e999}',
    "deep": b"[" * 900 + b"]" * 900,
    "too deep to parse": b"[" * 100_000,
    "cut off": b"{",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
async def test_a_reply_that_is_no_json_is_an_answer_all_the_same(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        """A body that is still to come, as from a real server."""
        return httpx.Response(503, headers={"content-type": "application/json"}, stream=httpx.ByteStream(body))

    client = httpx.AsyncClient(transport=httpx.MockTransport(reply))
    http = HttpClient()
    monkeypatch.setattr(http, "_client", client)
    result = await http.request("GET", "http://app.test/", timeout=5)
    await http.close()
    assert (result.status, result.data) == (503, None)


VERIFIED: tuple[Body, ...] = (
    ev.VerificationStarted(checks=("health",)),
    ev.VerificationEnded(verdict="pass", words="all passed"),
)


@pytest.mark.parametrize("purpose", ["rollback", "undo"])
def test_what_was_proven_before_a_run_is_proven_no_more(purpose: str) -> None:
    first = a_plan(steps=(a_step(role="application", preview=a_preview()),))
    step = first.steps[0].id
    rolled_back: tuple[Body, ...] = (
        ev.PlanProposed(plan=first, hash=first.hash),
        ev.RunStarted(hash=first.hash),
        ev.StepEnded(plan=first.hash, step=step, attempt=1, status="done", detail="runs"),
        ev.RunEnded(hash=first.hash, outcome="done", detail="", seconds=1),
        *VERIFIED,
    )
    proven = {"verified", "procedure-executed", "application-rolled-back"}
    assert proven <= set(fold_all(events(an_incident(), *rolled_back)).proofs)
    again = a_plan(id="plan-2", purpose=purpose, target=a_release("v0"), steps=first.steps)
    more: tuple[Body, ...] = (ev.PlanProposed(plan=again, hash=again.hash), ev.RunStarted(hash=again.hash))
    assert not proven & set(fold_all(events(an_incident(), *rolled_back, *more)).proofs)


async def test_what_ran_after_recovery_was_proven_has_to_be_proven_itself(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        plan_hash = await world.planned()
        await world.core.record(*VERIFIED)
        await world.run(plan_hash)
        await until(lambda: world.state.plan.status == "done")
        assert "not proven" in await world.refused(it.CloseIncident(outcome="recovered", reason="it looks well"))


async def test_an_aborted_call_that_nobody_can_see_the_end_of_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blind(*_: object) -> Look:
        return Look(verdict="cannot-tell", seen="no answer")

    monkeypatch.setattr(Deploy, "check", blind)
    async with a_running(tmp_path, seconds=30) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: effects(world.folder))
        await world.ok(it.AbortRun(hash=plan_hash))
        await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
        assert world.state.plan.steps["deploy"].status == "unknown"
        assert "say whether it is done" in await world.refused(it.RunPlan(hash=plan_hash))
