"""The lab's plugin keeps the contract, tried on a real lab; and what runs is what was previewed."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.labs import until
from tests.plugins.test_lab_plugin import BETA_1, Room, a_room
from warroom.drills.lab import running_lab
from warroom.errors import Unreachable
from warroom.model.signal import Sample
from warroom.testing.conformance import Case, check_plugin
from warroom_lab import plugin
from warroom_lab.control import ask

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [
    Case("deploy", {"ref": BETA_1}),
    Case("restart", {"component": "redis"}),
    Case("stop"),
    Case("start"),
    Case("stop_writes"),
    Case("resume_writes"),
    Case("clear_cache"),
    Case("wait_ready", {"at_most": "5s"}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    """For the test that kills the lab too, which is the last."""
    async with running_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        room = a_room(lab)
        yield room
        await room.http.close()


async def test_the_plugin_conforms(room: Room, tmp_path: Path) -> None:
    await check_plugin(plugin, room.context, cases=CASES, probes={"row_counts": [{}]}, folder=tmp_path)
    for name in ("stop_writes", "resume_writes"):
        _, preview = await room.planned(name)
        asked: list[str] = [line.text for line in room.log.newest(2000) if line.door == "change"]
        await room.executed(preview)
        made = [line.text for line in room.log.newest(2000) if line.door == "change"][len(asked) :]
        assert made == [room.redactor.clean_call(call.paste()) for call in preview.calls]


async def test_a_lab_that_was_killed_is_cannot_tell_and_unknown(room: Room) -> None:
    lab = room.lab
    facts, _ = await room.planned("deploy", ref=BETA_1)
    os.kill(lab.pid, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{lab.pid}/cmdline").read_bytes(), "the lab has ended")
    assert (await room.look("deploy", facts, ref=BETA_1)).verdict == "cannot-tell"
    assert plugin.readiness is not None
    assert [row.status for row in await plugin.readiness.ready(room.context)] == ["not-ready"]
    samples = await anext(aiter(_samples(room)))
    assert samples.value is None
    with pytest.raises(Unreachable):
        await ask(room.context, "/state")


async def _samples(room: Room) -> AsyncIterator[Sample]:
    assert plugin.signals is not None
    async for sample in plugin.signals.samples(room.context, frozenset({"http-error-ratio"})):
        yield sample
