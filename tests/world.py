"""A small world for the engine's tests: a folder in which a real program deploys releases, and a plugin for it.

It is strict: an unknown release is refused, and what runs is only ever what the program has written there.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from warroom.api import Context, Facts, Folder, Plugin, Probed, SignalOffer
from warroom.errors import BadInput, WarroomError
from warroom.model.call import CallResult, ProcessCall
from warroom.model.plan import Look, Preview
from warroom.model.release import Release, ReleaseDiff
from warroom.model.runbook import Runbook
from warroom.model.signal import LogLine, Sample
from warroom.plugins import LoadedPlatform
from warroom.testing.builders import a_release, a_runbook

DEPLOY = """
import json, os, pathlib, sys, time
folder, version, seconds = pathlib.Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
(folder / "deploying").write_text(version)
with open(folder / "effects", "a") as effects: effects.write(version + chr(10))
print("deploying", version, flush=True)
time.sleep(seconds)
if version == "v0-breaks": sys.exit(3)
part = folder / "current.part"
part.write_text(version)
os.rename(part, folder / "current")
(folder / "deploying").unlink()
"""
RELEASES = {v: a_release(v) for v in ("v1", "v2", "v3", "v0-breaks")}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Config(Strict):
    folder: Path
    seconds: float = 0.05


class DeployArgs(Strict):
    release: str


def a_world(folder: Path, running: str = "v3") -> Path:
    folder.mkdir()
    (folder / "current").write_text(running)
    (folder / "id").write_text(f"world {folder.name}")
    (folder / "errors").write_text("v3 0.0")
    return folder


def effects(folder: Path) -> list[str]:
    """Every deployment that ever began, in order: what a repeated effect would show in."""
    file = folder / "effects"
    return file.read_text().split() if file.exists() else []


class Deploy:
    name = "deploy"
    title = "Deploy a release"
    risk: Any = "disruptive"
    args: type[BaseModel] = DeployArgs

    async def facts(self, ctx: Context, args: Any) -> Facts:
        if args.release not in RELEASES:
            raise BadInput(f"there is no release {args.release}", f"known: {', '.join(RELEASES)}", "choose one")
        return {"running": (ctx.config.folder / "current").read_text(), "spec": (ctx.config.folder / "id").read_text()}

    def preview(self, config: Any, args: Any, facts: Facts) -> Preview:
        def call(version: str) -> ProcessCall:
            return ProcessCall(argv=(sys.executable, "-c", DEPLOY, str(config.folder), version, str(config.seconds)))

        return Preview(
            calls=(call(args.release),),
            inverse=(call(str(facts["running"])),),
            pinned={"world.running": facts["running"], "world.spec": facts["spec"]},
            changes=("world.running",),
            timeout_s=120,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {"said": results[0].text.strip()}

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        now = (ctx.config.folder / "current").read_text()
        if (ctx.config.folder / "deploying").exists() and now != args.release:
            return Look(verdict="partly", seen=f"{now} runs, a deployment has begun")
        return Look(verdict="done" if now == args.release else "not-begun", seen=f"{now} runs")


class Signals:
    def offers(self, config: Any) -> Mapping[str, SignalOffer]:
        return {"errors": SignalOffer("errors", "ratio")}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        while True:
            release, _, ratio = (ctx.config.folder / "errors").read_text().partition(" ")
            broken = release == (ctx.config.folder / "current").read_text()
            value = float(ratio) if broken else 0.0
            yield Sample(signal="errors", value=value, count=50, at=datetime.now(UTC), source="world")
            await asyncio.sleep(0.05)


class Logs:
    async def follow(self, ctx: Context) -> AsyncIterator[LogLine]:
        number = 0
        while True:
            number += 1
            yield LogLine(source="web", text=f"INFO line {number} \x1b]0;owned\x07[red]", at=datetime.now(UTC))
            await asyncio.sleep(0.05)


class Releases:
    async def running(self, ctx: Context) -> Release | None:
        return RELEASES.get((ctx.config.folder / "current").read_text())

    async def history(self, ctx: Context) -> Sequence[Release]:
        return [RELEASES["v3"], RELEASES["v2"], RELEASES["v1"]]

    async def resolve(self, ctx: Context, text: str) -> Release:
        for release in RELEASES.values():
            if text in (release.version, release.commit, release.digest):
                return release
        raise BadInput(f"there is no release {text}", "", "")

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        return ReleaseDiff(
            older=older.name, newer=newer.name, commits=("the faulty one",), config_keys=("added GREETING",)
        )


class Dump:
    name = "dump"
    kinds: tuple[str, ...] = ("dump",)
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        async with folder.file("world.dump", kind="dump") as part:
            part.write_bytes((ctx.config.folder / "current").read_bytes())
        folder.counts({"User": 3})


class Broken:
    name = "broken"
    kinds: tuple[str, ...] = ()
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        raise WarroomError("the dashboard is away")


class Counts:
    name = "counts"
    args: type[BaseModel] = Strict

    async def probe(self, ctx: Context, args: Any) -> Probed:
        return Probed("pass", "counted", {"User": 4})


class Identity:
    async def fingerprint(self, ctx: Context) -> str:
        return str((ctx.config.folder / "id").read_text())


PLUGIN = Plugin(
    name="world",
    version="1",
    config=Config,
    operations=(Deploy(),),
    probes=(Counts(),),
    collectors=(Dump(), Broken()),
    signals=Signals(),
    logs=Logs(),
    releases=Releases(),
    identity=Identity(),
)


def world_runbook(kind: str = "drill", **overrides: Any) -> Runbook:
    condition = {"sentence": ">5% 5xx", "signal": "errors", "above": 0.05, "for": 0.3, "over": 0.3, "at_least": 10}
    sections: dict[str, Any] = {
        "environment": {"kind": kind},
        "platforms": {"world": {"plugin": "world"}},
        "signals": {
            "errors": {"title": "errors", "unit": "ratio", "source": {"platform": "world", "signal": "errors"}}
        },
        "components": {"web": {"title": "web", "signal": "errors"}},
        "triggers": {
            "high-error-rate": {
                "title": "High error rate",
                "severity": "critical",
                "conditions": {"error-rate": {**condition, "clear_for": 0.3, "stale_after": 60}},
            }
        },
        "tree": {
            "root": "degraded",
            "questions": {
                "degraded": {
                    "ask": "Degraded?",
                    "from": {"by": "firing"},
                    "answers": {"no": "watch", "yes": "roll-back"},
                }
            },
            "leaves": {
                "watch": {"advice": "monitor", "title": "Go on monitoring"},
                "roll-back": {"advice": "rollback-now", "title": "ROLL BACK NOW"},
            },
        },
        "procedures": {
            "swap": {
                "title": "Swap the release",
                "use_when": "always",
                "needs": ["world"],
                "steps": {
                    "deploy": {
                        "title": "Deploy the target",
                        "op": "world.deploy",
                        "with": {"release": "${target.version}"},
                        "role": "application",
                    }
                },
            }
        },
        "verification": {
            "identity": {"sentence": "The target runs", "use": "running-is-target"},
            "errors": {
                "sentence": "Errors are low",
                "use": "signal-within",
                "with": {"signal": "errors", "below": 0.05, "at_least": 20, "settle": 0, "wait": 10},
                "proves": "errors-normal",
            },
            "rows": {"sentence": "Rows are there", "use": "counts-match", "with": {"probe": "world.counts"}},
        },
        "watch": 0.5,
        "drill_windows": {},
    }
    return a_runbook(**{**sections, **overrides})


def load_world(folder: Path, seconds: float = 0.05) -> Any:
    """What the engine is given instead of the installed plugins."""

    def load(runbook: Runbook) -> dict[str, LoadedPlatform]:
        config = Config(folder=folder, seconds=seconds)
        return {"world": LoadedPlatform(plugin=PLUGIN, config=config, problem=None)}

    return load


async def until(condition: Any, seconds: float = 60) -> None:
    """Waits for something to become true; fails with what it was waiting for."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


__all__ = ["PLUGIN", "RELEASES", "a_world", "effects", "json", "load_world", "until", "world_runbook"]
