"""Sixty secrets of twenty kinds through every way into warroom: none is found in anything it wrote or showed."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.canaries import CANARIES, known, said
from tests.engines import OP1, a_running
from tests.world import PLUGIN, RELEASES, Deploy, Dump, until
from warroom.api import Context, Facts, Folder, WarroomError
from warroom.engine import own_log
from warroom.model import intent as it
from warroom.model.call import ProcessCall, Secret
from warroom.model.live import CommandsQuery, EvidenceQuery
from warroom.model.plan import Look, Preview
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import LogLine

ALL = "\n".join(canary.text for canary in CANARIES)
SAYING = """
import pathlib, sys, time
said, until = pathlib.Path(sys.argv[1]), time.monotonic() + 50
sys.stdout.write(said.read_text())
sys.stderr.write(said.read_text())
while not said.with_name("seen").exists() and time.monotonic() < until:
    time.sleep(0.01)
"""
"""It stays until its command line has been seen: on a busy machine it would be gone before anybody looked."""


class Telling:
    """A plugin's parts that say every secret wherever they can."""

    async def follow(self, ctx: Context) -> AsyncIterator[LogLine]:
        ctx.hide({f"K{n}_PASSWORD": canary.value for n, canary in enumerate(CANARIES) if known(canary)})
        while True:
            for canary in CANARIES:
                yield LogLine(source="web", text=f"INFO said {canary.text}", at=datetime.now(UTC))
            await asyncio.sleep(0.2)

    async def running(self, ctx: Context) -> Release | None:
        release = RELEASES[(ctx.config.folder / "current").read_text()]
        return release.model_copy(update={"note": ALL[:4000]})

    async def history(self, ctx: Context) -> Sequence[Release]:
        return [RELEASES["v3"], RELEASES["v2"]]

    async def resolve(self, ctx: Context, text: str) -> Release:
        return RELEASES[text].model_copy(update={"note": ALL})

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        return ReleaseDiff(older=older.name, newer=newer.name, commits=tuple(c.text for c in CANARIES))


class Files(Dump):
    name = "files"

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await folder.write("written.txt", ALL.encode(), kind="logs")
        async with folder.file("filed.txt", kind="logs") as part:
            part.write_text(ALL)


class Away(Dump):
    name = "away"

    async def collect(self, ctx: Context, folder: Folder) -> None:
        raise WarroomError("it is away", ALL, ALL)


class Saying(Deploy):
    """Prints every secret, and gets one from the environment, where no other process sees it."""

    def preview(self, config: Any, args: Any, facts: Facts) -> Preview:
        plain = super().preview(config, args, facts)
        (deploy,) = plain.calls
        assert isinstance(deploy, ProcessCall)
        say = ProcessCall(
            argv=(sys.executable, "-c", SAYING, str(config.folder / "said")),
            env={"DEPLOY_KEY": Secret(secret="env:CANARY_KEY")},
        )
        return plain.model_copy(update={"calls": (say, deploy)})

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        await ctx.read.run([sys.executable, "-c", SAYING, str(ctx.config.folder / "said")], timeout=60)
        look = await super().check(ctx, args, facts)
        return look.model_copy(update={"seen": f"{look.seen} {ALL[:3000]}"})


TELLING = Telling()
LEAKING = dataclasses.replace(
    PLUGIN,
    operations=(Saying(),),
    collectors=(Dump(), Files(), Away()),
    logs=TELLING,
    releases=TELLING,
)


def leaks(text: str) -> list[tuple[str, str]]:
    return [(canary.kind, piece) for canary in CANARIES for piece in said(canary) if piece in text]


async def test_no_secret_is_found_in_anything_that_was_written_or_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARIES[0].value)
    for number, canary in enumerate(c for c in CANARIES if known(c)):
        monkeypatch.setenv(f"CANARY_{number}_PASSWORD", canary.value)
    shown: list[str] = []
    lines: set[str] = set()
    own_log.begin(lambda: tmp_path / "state")
    async with a_running(tmp_path, plugin=LEAKING) as world:
        (world.folder / "said").write_text(ALL)
        watching = asyncio.create_task(_command_lines(lines, world.folder / "said"))
        await until(lambda: world.core.running is not None)
        plan_hash = await world.planned()
        await world.ok(it.AddNote(text=ALL[:4000]))
        await world.ok(it.Attach(name="console.svg", text=f"<svg><text>{ALL}</text></svg>"))
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        await world.run(plan_hash)
        await until(lambda: world.state.plan.status != "running")
        logging.getLogger("warroom").error("it went wrong: %s", ALL, exc_info=_raised())
        await world.ok(it.WriteReport())
        session = world.engine.session(OP1)
        shown.append(str(await session.query(CommandsQuery())))
        shown.append(str(await session.query(EvidenceQuery())))
        async for frame in session.watch():
            shown.append(frame.model_dump_json())
            break
        shown.append(world.state.model_dump_json())
        watching.cancel()
        assert sum(world.core.redactor.counts.values()) > 60
    written = {path: path.read_bytes().decode("utf-8", "replace") for path in _files(tmp_path / "state")}
    assert any("console" in path.name for path in written)
    assert any(path.name == own_log.NAME for path in written)
    assert {str(path.relative_to(tmp_path)): leaks(text) for path, text in written.items() if leaks(text)} == {}
    assert [leaks(text) for text in shown if leaks(text)] == []
    assert [leaks(line) for line in lines if leaks(line)] == []
    assert any(str(world.folder / "said") in line for line in lines), "the command lines were really looked at"


def _raised() -> Exception:
    try:
        raise ValueError(ALL)
    except ValueError as error:
        return error


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".dump"]


async def _command_lines(seen: set[str], said: Path) -> None:
    """Every process's command line there is, over and over."""
    while True:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue
        if any(str(said) in line for line in seen):
            said.with_name("seen").touch()
        await asyncio.sleep(0.005)
