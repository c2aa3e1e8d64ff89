"""The lab's other changes: restart, stop and resume writes, clear the cache; and waiting until it is well."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from warroom.api import Context, Facts, WarroomError
from warroom.model.base import Duration, Fact
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom_lab.calls import change, until
from warroom_lab.config import Config
from warroom_lab.control import ask, lab_of
from warroom_lab.looking import by_record, unseen


class NoArgs(Fact):
    pass


class RestartArgs(Fact):
    component: Literal["app", "postgres", "redis", "ai", "mail"] = "app"


class WaitArgs(Fact):
    """``at_most`` in seconds, or as 20s."""

    at_most: Duration = 30


def _no_outputs(results: Sequence[CallResult]) -> Mapping[str, str]:
    return {}


async def _addresses(ctx: Context, what: str) -> dict[str, str]:
    lab = lab_of(ctx.config)
    return {"key": f"{what}-{secrets.token_hex(8)}", "control_url": lab.control_url, "base_url": lab.base_url}


class Restart:
    name = "restart"
    title = "Restart a part of the lab"
    risk: Risk = "disruptive"
    args: type[BaseModel] = RestartArgs

    async def facts(self, ctx: Context, args: RestartArgs) -> Facts:
        return await _addresses(ctx, "restart")

    def preview(self, config: Config, args: RestartArgs, facts: Facts) -> Preview:
        key, control_url = str(facts["key"]), str(facts["control_url"])
        return Preview(
            calls=change(config, control_url, "/restart", key, {"component": args.component}),
            no_inverse="a restart has nothing to take back",
            notes=("sessions and cache are lost with Redis",) if args.component == "redis" else (),
            expected_s=2,
            timeout_s=90,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return _no_outputs(results)

    async def check(self, ctx: Context, args: RestartArgs, facts: Facts) -> Look:
        return await by_record(ctx, facts, f"{args.component} was not restarted")


class Writes:
    """Stop or resume writes at the lab's front: everything but reading is refused with 503."""

    risk: Risk = "disruptive"
    args: type[BaseModel] = NoArgs

    def __init__(self, stop: bool) -> None:
        self._stop = stop
        self.name = "stop_writes" if stop else "resume_writes"
        self.title = "Stop writes" if stop else "Resume writes"

    async def facts(self, ctx: Context, args: NoArgs) -> Facts:
        stopped = bool((await ask(ctx, "/state"))["writes_stopped"])
        return {**await _addresses(ctx, "writes"), "stopped": stopped}

    def preview(self, config: Config, args: NoArgs, facts: Facts) -> Preview:
        key, control_url = str(facts["key"]), str(facts["control_url"])
        there, back = ("/stop-writes", "/resume-writes") if self._stop else ("/resume-writes", "/stop-writes")
        already = facts["stopped"] == self._stop
        return Preview(
            calls=change(config, control_url, there, key, {}),
            inverse=None if already else change(config, control_url, back, f"{key}-undo", {}),
            no_inverse=f"writes were {'stopped' if self._stop else 'allowed'} already" if already else "",
            idle=already,
            expected_s=1,
            timeout_s=90,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return _no_outputs(results)

    async def check(self, ctx: Context, args: NoArgs, facts: Facts) -> Look:
        try:
            stopped = bool((await ask(ctx, "/state"))["writes_stopped"])
        except WarroomError as error:
            return unseen(error)
        words = "the front refuses writes" if stopped else "the front passes writes on"
        return Look(verdict="done" if stopped == self._stop else "not-begun", seen=words)


class App:
    """Stop the app, its own jobs with it, or start the release again that was deployed last."""

    risk: Risk = "disruptive"
    args: type[BaseModel] = NoArgs

    def __init__(self, stop: bool) -> None:
        self._stop = stop
        self.name = "stop" if stop else "start"
        self.title = "Stop the app" if stop else "Start the app again"

    async def facts(self, ctx: Context, args: NoArgs) -> Facts:
        return {**await _addresses(ctx, "app"), "running": await _runs(ctx)}

    def preview(self, config: Config, args: NoArgs, facts: Facts) -> Preview:
        key, control_url = str(facts["key"]), str(facts["control_url"])
        there, back = ("/stop-app", "/start-app") if self._stop else ("/start-app", "/stop-app")
        already = facts["running"] != self._stop
        moved = () if already else ("app",)
        return Preview(
            calls=change(config, control_url, there, key, {}),
            inverse=None if already else change(config, control_url, back, f"{key}-undo", {}),
            no_inverse=f"the app {'stood still' if self._stop else 'ran'} already" if already else "",
            idle=already,
            changes=("running-release",),
            restores="",
            stops=moved if self._stop else (),
            starts=() if self._stop else moved,
            notes=("everybody gets a 503 until it is started again",) if self._stop else (),
            expected_s=2,
            timeout_s=90,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return _no_outputs(results)

    async def check(self, ctx: Context, args: NoArgs, facts: Facts) -> Look:
        try:
            running = await _runs(ctx)
        except WarroomError as error:
            return unseen(error)
        return Look(verdict="done" if running != self._stop else "not-begun", seen=f"the app {_stands(running)}")


async def _runs(ctx: Context) -> bool:
    process = (await ask(ctx, "/state"))["processes"]["app"]
    return process is not None and bool(process["running"])


def _stands(running: bool) -> str:
    return "runs" if running else "stands still"


class ClearCache:
    name = "clear_cache"
    title = "Clear the app's cache"
    risk: Risk = "disruptive"
    args: type[BaseModel] = NoArgs

    async def facts(self, ctx: Context, args: NoArgs) -> Facts:
        return await _addresses(ctx, "cache")

    def preview(self, config: Config, args: NoArgs, facts: Facts) -> Preview:
        return Preview(
            calls=change(config, str(facts["control_url"]), "/clear-cache", str(facts["key"]), {}),
            no_inverse="the app makes each entry again when it is next asked for",
            notes=("only keys under cache: are deleted; sessions stay",),
            expected_s=1,
            timeout_s=90,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``deleted``: how many entries there were."""
        record = results[-1].data if results else None
        result = record.get("result") if isinstance(record, dict) else None
        return {"deleted": str(result["deleted"])} if isinstance(result, dict) and "deleted" in result else {}

    async def check(self, ctx: Context, args: NoArgs, facts: Facts) -> Look:
        return await by_record(ctx, facts, "the cache was not cleared")


class WaitReady:
    name = "wait_ready"
    title = "Wait until the app is well"
    risk: Risk = "safe"
    args: type[BaseModel] = WaitArgs

    async def facts(self, ctx: Context, args: WaitArgs) -> Facts:
        return {"base_url": lab_of(ctx.config).base_url}

    def preview(self, config: Config, args: WaitArgs, facts: Facts) -> Preview:
        return Preview(
            calls=(until(f"{facts['base_url']}/api/health", "status", "ok", args.at_most),),
            no_inverse="it only looks",
            expected_s=1,
            timeout_s=args.at_most + 15,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return _no_outputs(results)

    async def check(self, ctx: Context, args: WaitArgs, facts: Facts) -> Look:
        try:
            health = (await ask(ctx, "/counters"))["health"]
        except WarroomError as error:
            return unseen(error)
        well = health is not None and health.get("status") == "ok"
        seen = "the app does not answer" if health is None else f"the app says {health.get('status')}"
        return Look(verdict="done" if well else "not-begun", seen=seen)
