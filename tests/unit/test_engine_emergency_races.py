"""The emergency lane against others: two at once, a plan of another incident, a lookup that hangs, a kill -9."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, World, a_running
from tests.world import PLUGIN, Deploy, Releases, effects, until
from warroom.api import Context, Folder
from warroom.errors import JournalFull
from warroom.model import intent as it
from warroom.model.event import (
    Actor,
    EvidenceStarted,
    IncidentOpened,
    RunEnded,
    RunStarted,
    StepEnded,
    StepIntended,
    TargetChosen,
)
from warroom.model.live import EmergencyPage, EmergencyQuery
from warroom.model.plan import Preview
from warroom.model.release import Release, ReleaseDiff
from warroom.session import Accepted, Refused, Reply


async def shown(world: World, actor: Actor = OP1, **asked: Any) -> EmergencyPage:
    page = await world.session(actor).query(EmergencyQuery(**asked))
    assert isinstance(page, EmergencyPage)
    return page


def asked(world: World, intent: it.Intent, actor: Actor = OP1, intent_id: str = "") -> asyncio.Task[Reply]:
    return asyncio.create_task(world.session(actor).submit(intent_id or uuid.uuid4().hex, intent))


def count(world: World, kind: type[Any]) -> int:
    return sum(isinstance(event.body, kind) for event in world.core.journal.events())


async def test_only_the_plan_that_was_shown_runs_though_another_would_still_be_right(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await shown(world)
        assert "changed since you saw it" in await world.refused(it.RunEmergency(hash="sha256:never shown"))
        assert (world.core.journal, effects(world.folder)) == (None, [])


async def test_a_plan_of_an_incident_that_is_over_does_not_run_in_the_next(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="the first"))
        page = await shown(world)
        await world.ok(it.CloseIncident(outcome="false-alarm", reason="nothing"))
        assert "changed since" in await world.refused(it.RunEmergency(hash=page.hash)), "no incident is open"
        await world.ok(it.OpenIncident(title="the second"))
        assert "changed since" in await world.refused(it.RunEmergency(hash=page.hash))
        assert effects(world.folder) == []


async def test_of_two_consoles_at_once_one_runs_and_one_is_refused(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production", seconds=0.3) as world:
        pages = await asyncio.gather(shown(world), shown(world, OP2))
        name = str(world.core.runbook.service)
        tasks = [
            asked(world, it.RunEmergency(hash=page.hash, confirm=name), actor)
            for page, actor in zip(pages, (OP1, OP2), strict=True)
        ]
        replies = await asyncio.gather(*tasks)
        assert sorted(type(reply).__name__ for reply in replies) == ["Accepted", "Refused"]
        await until(lambda: world.state.plan.status == "done")
        assert (count(world, RunStarted), count(world, IncidentOpened), effects(world.folder)) == (1, 1, ["v2"])


async def test_the_same_intent_twice_runs_once_and_gets_one_answer(tmp_path: Path) -> None:
    async with a_running(tmp_path, seconds=0.2) as world:
        page = await shown(world)
        same = [asked(world, it.RunEmergency(hash=page.hash), OP1, "one") for _ in range(3)]
        first, *others = await asyncio.gather(*same)
        assert isinstance(first, Accepted)
        assert others == [first, first]
        assert "is running" in await world.refused(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "done")
        assert await asked(world, it.RunEmergency(hash=page.hash), OP1, "one") == first
        assert effects(world.folder) == ["v2"]


async def test_another_platform_is_on_the_page_and_holds_it(tmp_path: Path) -> None:
    async with a_running(tmp_path, environment={"kind": "drill", "fingerprints": {"world": "another"}}) as world:
        page = await shown(world)
        assert [guard.id for guard in page.held] == ["fingerprint-world"]


async def test_one_that_cannot_be_read_is_said_and_waived(tmp_path: Path) -> None:
    async with a_running(tmp_path, environment={"kind": "drill", "fingerprints": {"world": "another"}}) as world:
        (world.folder / "id").unlink()
        (world.folder / "id").mkdir()
        page = await shown(world)
        assert page.plan is None, "the world's own facts need it too"


async def test_who_drives_is_no_reason_to_hold_it(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production") as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.TakeWheel(service=str(world.core.runbook.service)), OP2)
        page = await shown(world)
        assert page.held == ()
        assert "wheel" in {guard.id for guard in page.waives}


async def test_a_journal_that_is_read_only_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        page = await shown(world)
        monkeypatch.setattr(type(world.core.journal), "read_only", property(lambda journal: "a later format"))
        assert [guard.id for guard in (await shown(world)).held] == ["journal"]
        assert "a later format" in await world.refused(it.RunEmergency(hash=page.hash))
        assert effects(world.folder) == []


async def test_a_disk_that_fills_at_that_moment_begins_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        page = await shown(world)
        append = world.core.journal.append

        async def full(actor: Actor, *bodies: Any) -> Any:
            if any(isinstance(body, RunStarted) for body in bodies):
                raise JournalFull("the disk is full", "", "")
            return await append(actor, *bodies)

        monkeypatch.setattr(world.core.journal, "append", full)
        assert "disk is full" in await world.refused(it.RunEmergency(hash=page.hash))
        assert effects(world.folder) == []
        assert count(world, RunStarted) == 0
        assert {event.body.type for event in world.core.journal.events()}.isdisjoint({"plan-proposed", "wheel-taken"})
        monkeypatch.undo()
        await world.ok(it.RunEmergency(hash=(await shown(world)).hash))
        await until(lambda: world.state.plan.status == "done")


async def test_evidence_that_cannot_be_begun_is_told_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_running(tmp_path) as world:
        page = await shown(world)
        record = world.core.record

        async def recorded(*bodies: Any, **more: Any) -> int:
            if any(isinstance(body, EvidenceStarted) for body in bodies):
                raise OSError("no room for evidence")
            return int(await record(*bodies, **more))

        monkeypatch.setattr(world.core, "record", recorded)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v2"]


class Hangs(Releases):
    """A registry that does not answer who asks it for v1."""

    def __init__(self) -> None:
        self.hung = asyncio.Event()

    async def resolve(self, ctx: Context, text: str) -> Release:
        if text == "v1":
            self.hung.set()
            await asyncio.Event().wait()
        return await super().resolve(ctx, text)


class Deaf(Hangs):
    """The same, and it takes no notice of being told to stop."""

    async def resolve(self, ctx: Context, text: str) -> Release:
        try:
            return await super().resolve(ctx, text)
        except asyncio.CancelledError:
            return await super().resolve(ctx, "v2")


@pytest.mark.parametrize("releases", [Hangs, Deaf])
async def test_the_lane_waits_for_no_lookup_of_somebody_else(tmp_path: Path, releases: type[Hangs]) -> None:
    hangs = releases()
    async with a_running(tmp_path, plugin=replace(PLUGIN, releases=hangs)) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        page = await shown(world)
        looked = asked(world, it.ChooseTarget(text="v1"), OP2)
        await hangs.hung.wait()
        behind = [asked(world, it.ChooseTarget(text="v1"), OP2), asked(world, it.ProposePlan(procedure="swap"), OP2)]
        await asyncio.sleep(0)
        async with asyncio.timeout(50):
            await world.ok(it.RunEmergency(hash=page.hash))
            replies = await asyncio.gather(looked, *behind)
        assert all(isinstance(reply, Refused) and "emergency lane went first" in reply.reason for reply in replies)
        await until(lambda: world.state.plan.status == "done")
        assert (effects(world.folder), count(world, TargetChosen)) == (["v2"], 1)
        await world.ok(it.ChooseTarget(text="v2"))
        assert count(world, TargetChosen) == 2, "the next lookup is nobody's business but its own"


async def test_a_lookup_that_is_cancelled_for_another_reason_stays_cancelled(tmp_path: Path) -> None:
    hangs = Hangs()
    async with a_running(tmp_path, plugin=replace(PLUGIN, releases=hangs)) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        looked = asked(world, it.ChooseTarget(text="v1"))
        await hangs.hung.wait()
    reply = await looked
    assert isinstance(reply, Refused)
    assert "warroom ended" in reply.reason


async def test_intended_is_on_disk_before_the_first_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_running(tmp_path) as world:
        page = await shown(world)
        record, seen = world.core.record, list[int]()

        async def recorded(*bodies: Any, **more: Any) -> int:
            seq = int(await record(*bodies, **more))
            if any(isinstance(body, StepIntended) for body in bodies):
                await asyncio.sleep(0.2)
                seen.append(len(effects(world.folder)))
            return seq

        monkeypatch.setattr(world.core, "record", recorded)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "done")
        assert seen == [0]


class Destroying(Deploy):
    risk: Any = "destructive"

    def preview(self, config: Any, args: Any, facts: Any) -> Preview:
        return super().preview(config, args, facts).model_copy(update={"destroys": ("slow",)})


class Never:
    name = "slow"
    kinds: tuple[str, ...] = ("slow",)
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await asyncio.Event().wait()


async def test_an_abort_ends_the_wait_for_evidence_before_anything_is_done(tmp_path: Path) -> None:
    step = {"title": "Go", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": "application"}
    swap = {"swap": {"title": "Swap", "use_when": "always", "needs": ["world"], "steps": {"deploy": step}}}
    plugin = replace(PLUGIN, operations=(Destroying(),), collectors=(Never(),))
    async with a_running(tmp_path, plugin=plugin, procedures=swap) as world:
        page = await shown(world)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: count(world, EvidenceStarted) == 1)
        async with asyncio.timeout(50):
            await world.ok(it.AbortRun(hash=page.hash), OP2)
            await until(lambda: world.state.plan.status == "cancelled")
        assert effects(world.folder) == []


SWAP = {"title": "Swap", "use_when": "always", "needs": ["world"], "kind": "rollback"}
DEPLOYS = {"title": "Go", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": "application"}
BREAKS = {**DEPLOYS, "with": {"release": "v0-breaks"}}


async def test_a_way_that_failed_is_not_the_first_to_be_tried_again(tmp_path: Path) -> None:
    ways = {"one": {**SWAP, "steps": {"deploy": BREAKS}}, "two": {**SWAP, "steps": {"deploy": DEPLOYS}}}
    async with a_running(tmp_path, procedures=ways) as world:
        page = await shown(world)
        assert page.plan is not None
        assert page.plan.procedure == "one"
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "failed")
        page = await shown(world)
        assert page.plan is not None
        assert page.plan.procedure == "two"
        page = await shown(world, target="v1")
        assert page.plan is not None
        assert page.plan.procedure == "one", "with another release it has not failed"


async def test_what_a_run_left_unknown_is_said_and_only_ways_of_the_purpose_are_offered(tmp_path: Path) -> None:
    other = {**SWAP, "kind": "resume-writes", "steps": {"deploy": DEPLOYS}}
    async with a_running(
        tmp_path, procedures={"swap": {**SWAP, "steps": {"deploy": DEPLOYS}}, "other": other}
    ) as world:
        page = await shown(world, procedure="other")
        assert page.plan is None
        await world.planned()
        plan = world.state.plan
        await world.core.record(
            RunStarted(hash=plan.hash),
            StepIntended(plan=plan.hash, step="deploy", attempt=1, calls=(), inverse=()),
            StepEnded(plan=plan.hash, step="deploy", attempt=1, status="unknown", detail=""),
            RunEnded(hash=plan.hash, outcome="unknown", detail="", seconds=1),
        )
        page = await shown(world)
        left = [guard.words for guard in page.waives if guard.id == "step-unknown"]
        assert left == ["The last run (Swap) left deploy unknown"]


async def test_a_target_that_was_tried_is_not_gone_back_to_again(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.planned("v1")
        page = await shown(world)
        assert page.plan is not None
        assert page.plan.target is not None
        assert page.plan.target.version == "v1", "the one that was chosen"
        assert page.diff is not None
        failed = world.state.model_copy(update={"failed_targets": (world.state.target.release,)})
        world.core.state = failed
        page = await shown(world)
        assert page.plan is not None
        assert page.plan.target is not None
        assert page.plan.target.version == "v2"


class Migrated(Releases):
    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        return (await super().diff(ctx, older, newer)).model_copy(update={"migrations": ("0003", "0004")})


async def test_migrations_that_lie_between_are_counted(tmp_path: Path) -> None:
    async with a_running(tmp_path, plugin=replace(PLUGIN, releases=Migrated())) as world:
        await until(lambda: world.core.running is not None)
        page = await shown(world)
        assert any("2 migrations lie between" in guard.words for guard in page.waives if guard.id == "schema")
