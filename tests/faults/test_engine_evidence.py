"""Evidence when its disk is full, its collectors misbehave, or it can't be sealed."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, a_running
from tests.world import PLUGIN, Deploy, Dump, until
from warroom import process
from warroom.actions import evidence
from warroom.actions.evidence import Bundle
from warroom.api import Context, Folder
from warroom.errors import WarroomError
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.live import EvidencePage, EvidenceQuery, GuardsPage, GuardsQuery
from warroom.model.plan import Preview

ROOT = Path(__file__).parents[2]


@pytest.mark.needs("tmpfs")
async def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    inside = ["unshare", "-rm", sys.executable, "-m", "tests.faults.evidence_child", str(tmp_path)]
    done = await process.run(inside, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert "No space left" in told["dump"]
    assert told["after the dump"] == ["small/a.log"]
    assert "MB are free" in told["no room"]
    assert "manifest.json could not be written" in told["seal"]
    assert told["unsealed"] == ["small/a.log"]
    assert told["sealed"] == ["manifest.json", "small/a.log"]
    assert told["verified"] == []


class Stubborn:
    """Takes no notice of being cancelled until it is let go."""

    name = "stubborn"
    kinds: tuple[str, ...] = ()
    timeout_s = 0.1

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def collect(self, ctx: Context, folder: Folder) -> None:
        async with folder.file("late.dump") as part:
            while not self.go.is_set():
                try:
                    await self.go.wait()
                except asyncio.CancelledError:
                    part.write_bytes(b"I was told, and went on")


class Mad(Stubborn):
    """Raises what nobody expects of a collector."""

    name = "mad"

    async def collect(self, ctx: Context, folder: Folder) -> None:
        async with folder.file("half.dump") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt if self.go.is_set() else SystemExit(3)


async def test_a_collector_that_does_not_stop_or_fails_madly_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.engine.preparing.STUBBORN", 0.2)
    stubborn = Stubborn()
    plugin = dataclasses.replace(PLUGIN, collectors=(Dump(), stubborn, Mad()))
    async with a_running(tmp_path, plugin=plugin) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        missing = world.state.evidence.missing
        assert "does not stop" in missing["world.stubborn"]
        assert "SystemExit" in missing["world.mad"]
        stubborn.go.set()
        await until(lambda: not any("stubborn" in task.get_name() for task in asyncio.all_tasks()))
        path = Path(world.state.evidence.path)
        assert evidence.verify(path) == []
        assert not [p for p in path.rglob("*") if p.is_file() and p.parent.name in ("world.stubborn", "world.mad")]
        page = await world.session(OP1).query(EvidenceQuery())
        assert isinstance(page, EvidencePage)
        assert "world.dump/world.dump" in {artifact.name for artifact in page.artifacts}


async def test_a_collector_that_is_ended_before_it_begins_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that ends at once does so; what was made for it and never awaited would be warned of."""
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        spawn, ended = world.core.spawn, set()

        def at_once(name: str, work: Any) -> Any:
            task = spawn(name, work)
            if name.startswith("evidence from"):
                ended.add(name)
                task.cancel()
            return task

        monkeypatch.setattr(world.core, "spawn", at_once)
        told: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", told.append)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "coroutine 'Dump.collect' was never awaited")
            await world.ok(it.CaptureEvidence())
            await until(lambda: not any(task.get_name() == "evidence" for task in asyncio.all_tasks()))
            gc.collect()
        assert "evidence from world.dump" in ended
        assert [str(each.exc_value) for each in told] == []


async def test_a_bundle_that_cannot_be_sealed_is_no_evidence_and_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_running(tmp_path) as world:
        plan_hash = await world.planned()

        def full(*_: Any) -> Any:
            raise WarroomError("manifest.json could not be written", "no space left")

        with monkeypatch.context() as patch:
            patch.setattr(Bundle, "seal", full)
            await world.ok(it.CaptureEvidence())
            await until(lambda: world.state.evidence.status == "unsealed")
        assert "evidence-sealed" not in world.state.proofs
        assert world.state.sealed == ()
        (told,) = [e.body.reason for e in world.core.journal.events() if isinstance(e.body, ev.EvidenceUnsealed)]
        assert "no space left" in told
        page = await world.session(OP1).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        assert "evidence" in {guard.id for guard in page.guards}, "what is not sealed unlocks nothing"
        with pytest.raises(WarroomError, match="No evidence is sealed"):
            await world.session(OP1).query(EvidenceQuery())
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        assert plan_hash == world.state.plan.hash


class Around:
    """Leaves beside its one file all that a folder can hold, and one file that claims a terabyte."""

    name = "around"
    kinds: tuple[str, ...] = ()
    timeout_s = 20.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        async with folder.file("good.txt") as part:
            beside = part.parent
            part.write_text("good")
            (beside / "left.part").mkdir()
            (beside / "left.part" / "deep").write_text("x")
            (beside / "link").symlink_to("/etc")
            (beside / "dangling.part").symlink_to("/no/such/place")
            os.mkfifo(beside / "fifo")
            for number in range(500):
                (beside / f"stray-{number}").write_bytes(b"")
        with pytest.raises(WarroomError, match=r"huge\.dump is no evidence"):
            async with folder.file("huge.dump", kind="dump") as part:
                os.truncate(part, 1 << 50)
        for name in ("../out", "/etc/passwd", "a/../../b", "", "x.part", "a\nb", "-rf", "good.txt"):
            with pytest.raises(WarroomError):
                await folder.write(name, b"x")


async def test_what_a_collector_leaves_beside_its_files_is_no_evidence(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        async with a_running(tmp_path, plugin=dataclasses.replace(PLUGIN, collectors=(Around(),))) as world:
            await world.ok(it.OpenIncident(title="it burns"))
            await world.ok(it.CaptureEvidence())
            await until(lambda: world.state.evidence.status == "sealed")
            sealed = Path(world.state.evidence.path)
    finally:
        os.umask(mask)
    assert evidence.verify(sealed) == []
    assert [path.name for path in (sealed / "world.around").iterdir()] == ["good.txt"]
    assert Path("/etc/passwd").exists()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (sealed, *sealed.rglob("*")))


class Destroying(Deploy):
    risk: Any = "destructive"

    def preview(self, config: Any, args: Any, facts: Any) -> Preview:
        return super().preview(config, args, facts).model_copy(update={"destroys": ("dump",)})


def a_swap(role: str) -> dict[str, Any]:
    step = {"title": "Go", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": role}
    return {"swap": {"title": "Swap", "use_when": "always", "needs": ["world"], "steps": {"deploy": step}}}


@pytest.mark.parametrize("role", ["database", "application"])
async def test_a_destructive_step_waits_for_what_it_destroys_to_be_sealed(tmp_path: Path, role: str) -> None:
    """A database's is never waived, another's with a reason. That the item is waived lifts neither."""
    plugin = dataclasses.replace(PLUGIN, operations=(Destroying(),))
    async with a_running(tmp_path, plugin=plugin, procedures=a_swap(role)) as world:
        plan = await world.planned()
        await world.ok(it.MarkItem(item="capture", mark="waived", reason="it takes too many minutes"))
        page = await world.engine.session(OP1).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        ids = tuple(guard.id for guard in page.guards)
        (held,) = (guard for guard in page.guards if guard.id == "evidence-deploy")
        assert held.hard is (role == "database")
        without = tuple(each for each in ids if each != "evidence-deploy")
        words = await world.refused(it.RunPlan(hash=plan, waive=without, reason="in a hurry", confirm="v2"))
        assert "destroys dump" in words
        await world.refused(it.RunPlan(hash=plan, waive=ids, reason="", confirm="v2"))
        if role == "database":
            await world.refused(it.RunPlan(hash=plan, waive=ids, reason="in a hurry", confirm="v2"))
        assert world.state.plan.began_at is None
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        page = await world.engine.session(OP1).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        assert "evidence-deploy" not in {guard.id for guard in page.guards}
