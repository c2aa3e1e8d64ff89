"""Which lab this is, and whether a rollback would work in it now."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from warroom.api import Context, Ready, WarroomError
from warroom.model.units import many
from warroom_lab.config import Config
from warroom_lab.control import ask, lab_of

LEAST_FREE = 200 * 2**20


class LabIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        """The identity the lab was given when its folder was made, by the word of the lab that answers."""
        return str((await ask(ctx, "/state"))["fingerprint"])


class LabDeploying:
    async def deploying(self, ctx: Context) -> str:
        """Any change that goes on: the lab makes one at a time, and two people's would come one after the other."""
        under_way = str((await ask(ctx, "/state"))["under_way"])
        return f"{under_way} in {ctx.platform}" if under_way else ""


class LabReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        try:
            state, releases = await ask(ctx, "/state"), await ask(ctx, "/releases")
        except WarroomError as error:
            return [Ready("lab-control", "The lab answers", "not-ready", str(error), error.hint or "start the lab")]
        return [
            Ready("lab-control", "The lab answers", "ready", f"{lab_of(ctx.config).control_url}"),
            _same(ctx.config, state),
            _app(state),
            _target(state, releases),
            _database(state),
            await _dump(ctx, state),
            _disk(ctx.config),
        ]


def _same(config: Config, state: dict[str, Any]) -> Ready:
    title = "It is the lab that lab.json names"
    if state["fingerprint"] == lab_of(config).fingerprint:
        return Ready("lab-identity", title, "ready", state["fingerprint"])
    return Ready("lab-identity", title, "not-ready", f"{state['fingerprint']} answers", "start the lab again")


def _app(state: dict[str, Any]) -> Ready:
    title = "The app says what it is"
    said = state["release"]
    if said is None:
        return Ready("lab-app", title, "not-ready", "no release answers", "restart the app")
    return Ready("lab-app", title, "ready", f"{said['version']}, commit {said['commit'][:12]}")


def _target(state: dict[str, Any], releases: dict[str, Any]) -> Ready:
    title = "There is a release to go back to"
    running = (state["release"] or {}).get("digest")
    found = [each for each in releases["deployments"] if each["outcome"] == "deployed" and each["digest"] != running]
    if not found:
        return Ready("lab-target", title, "not-ready", "nothing else was ever deployed", "deploy an earlier release")
    known = {each["commit"] for each in releases["releases"]}
    last = found[-1]
    if last["commit"] not in known:
        return Ready("lab-target", title, "unknown", f"{last['version']} has no tag", "name the target yourself")
    return Ready("lab-target", title, "ready", f"{last['version']}, deployed {last['at']}")


def _database(state: dict[str, Any]) -> Ready:
    title = "The database answers"
    if state["migrations"] is None:
        return Ready("lab-database", title, "not-ready", "it can't be asked for its migrations", "restart postgres")
    return Ready("lab-database", title, "ready", f"{many(len(state['migrations']), 'migration')} applied")


async def _dump(ctx: Context, state: dict[str, Any]) -> Ready:
    """A dump needs a client of the server's own major version."""
    title = "pg_dump is of the server's version"
    programs = Path(state["postgres"]["binaries"])
    versions = []
    try:
        for program in ("pg_dump", "pg_restore", "postgres"):
            shown = await ctx.read.run([str(programs / program), "--version"], timeout=10)
            versions.append(re.search(r"\) (\d+)\.", shown.text))
    except WarroomError as error:
        return Ready("lab-dump", title, "not-ready", str(error), "install the lab's packages again")
    majors = {match[1] for match in versions if match}
    if len(majors) == 1 and all(versions):
        return Ready("lab-dump", title, "ready", f"both are {majors.pop()}")
    return Ready("lab-dump", title, "not-ready", "the versions differ or can't be read", "install them again")


def _disk(config: Config) -> Ready:
    title = "The lab has room on its disk"
    free = shutil.disk_usage(Path(config.lab_file).parent).free
    words = f"{free / 2**20:,.0f} MB free"
    if free < LEAST_FREE:
        return Ready("lab-disk", title, "not-ready", words, f"free up to {LEAST_FREE / 2**20:.0f} MB")
    return Ready("lab-disk", title, "ready", words)
