"""The lab's plugin keeps the contract, tried on a real lab; and what runs is what was previewed."""

from __future__ import annotations

from pathlib import Path

from tests.plugins.test_lab_plugin import BETA_1, a_room
from warroom.drills.lab import running_lab
from warroom.testing.conformance import Case, check_plugin
from warroom_lab import plugin

CASES = [
    Case("deploy", {"ref": BETA_1}),
    Case("restart", {"component": "redis"}),
    Case("stop_writes"),
    Case("resume_writes"),
    Case("clear_cache"),
    Case("wait_ready", {"at_most": "5s"}),
]


async def test_the_plugin_conforms(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab") as lab:
        room = a_room(lab)
        try:
            await check_plugin(plugin, room.context, cases=CASES, probes={"row_counts": [{}]}, folder=tmp_path)
            for name in ("stop_writes", "resume_writes"):
                _, preview = await room.planned(name)
                asked: list[str] = [line.text for line in room.log.newest(2000) if line.door == "change"]
                await room.executed(preview)
                made = [line.text for line in room.log.newest(2000) if line.door == "change"][len(asked) :]
                assert made == [room.redactor.clean_call(call.paste()) for call in preview.calls]
        finally:
            await room.http.close()
