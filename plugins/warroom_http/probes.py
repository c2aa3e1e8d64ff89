"""Questions asked at verification: does a page answer, does a critical flow work, which version runs?"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue, model_validator

from warroom.api import Context, Probed, WarroomError
from warroom.model.base import Duration, Fact, Id
from warroom_http.asking import ask, no_reply, why
from warroom_http.config import Config, VersionAt
from warroom_http.documents import MISSING, pick, short
from warroom_http.flows import allowed, judged, walk
from warroom_http.steps import FlowStep, Statuses, Steps, UrlPath


class GetArgs(Fact):
    """``passes`` good replies in a row, ``every`` apart; a bad one starts the count again until ``within`` is over."""

    path: UrlPath
    status: Statuses | None = None
    expect: JsonValue = None
    passes: Annotated[int, Field(ge=1, le=100)] = 1
    every: Annotated[Duration, Field(ge=0.1)] = 1
    within: Annotated[Duration, Field(le=3600)] = 0


class GetProbe:
    name = "get"
    args: type[BaseModel] = GetArgs

    async def probe(self, ctx: Context, args: GetArgs) -> Probed:
        began, streak, asked, seen = ctx.clock.monotonic(), 0, 0, ""
        while True:
            asked += 1
            try:
                reply = await ask(ctx, args.path, expected=allowed(args.status))
                problem = judged(reply, args.status, args.expect)
                seen = problem or f"HTTP {reply.status} in {reply.seconds * 1000:.0f} ms"
            except WarroomError as error:
                if not no_reply(error):
                    return Probed("inconclusive", f"GET {args.path}: {why(error)}", {"asked": asked})
                problem = seen = f"no reply: {why(error)}"
            streak = 0 if problem else streak + 1
            numbers: dict[str, JsonValue] = {"passes": streak, "needed": args.passes, "asked": asked}
            if streak >= args.passes:
                return Probed("pass", f"GET {args.path}: {seen}, {_times(streak)} in a row", numbers)
            left = args.within - (ctx.clock.monotonic() - began)
            if problem and left <= 0:
                return Probed("fail", f"GET {args.path}: {problem}", numbers)
            # Good replies are waited for even when the time is over: the last word is then theirs.
            await ctx.clock.sleep(args.every)


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


class FlowArgs(Fact):
    """Either the name of a flow in the platform's configuration, or the steps themselves."""

    flow: Id | None = None
    steps: dict[Id, FlowStep] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> FlowArgs:
        if (self.flow is None) == (self.steps is None):
            raise ValueError("either flow, a name under the platform's flows, or steps was expected")
        if self.steps is not None:
            Steps(steps=self.steps)
        return self


class FlowProbe:
    """Passes when every step works, fails at the first that does not."""

    name = "flow"
    args: type[BaseModel] = FlowArgs

    async def probe(self, ctx: Context, args: FlowArgs) -> Probed:
        config: Config = ctx.config
        if args.steps is not None:
            steps = args.steps
        elif args.flow in config.flows:
            steps = config.flows[args.flow].steps
        else:
            return Probed("inconclusive", f"there is no flow {args.flow}; there is {', '.join(config.flows) or 'none'}")
        walked = await walk(ctx, steps)
        numbers: dict[str, JsonValue] = {
            "steps": len(walked),
            "worked": sum(w.works is True for w in walked),
            **{f"{w.step}_ms": round(w.seconds * 1000, 1) for w in walked if w.seconds},
        }
        stopped = next((w for w in walked if w.works is not True), None)
        if stopped is None:
            return Probed("pass", "; ".join(w.words for w in walked)[:1000], numbers)
        return Probed("inconclusive" if stopped.works is None else "fail", stopped.words, numbers)


class VersionArgs(Fact):
    """What the service must say of itself. Without ``version`` and ``commit`` any answer passes."""

    at: VersionAt | None = None
    version: str | None = None
    commit: str | None = None


class VersionProbe:
    name = "version"
    args: type[BaseModel] = VersionArgs

    async def probe(self, ctx: Context, args: VersionArgs) -> Probed:
        config: Config = ctx.config
        at = args.at or config.version or VersionAt()
        try:
            said = await version_said(ctx, at)
        except WarroomError as error:
            return Probed("fail" if no_reply(error) else "inconclusive", f"{at.path}: {why(error)}")
        numbers: dict[str, JsonValue] = dict(said)
        wanted = {"version": args.version, "commit": args.commit}
        for name, value in wanted.items():
            if value is not None and name in said and not _same(name, value, said[name]):
                return Probed("fail", f"it runs {name} {short(said[name])}, {short(value)} was expected", numbers)
        silent = [name for name, value in wanted.items() if value is not None and name not in said]
        if silent or not said:
            return Probed("inconclusive", f"{at.path} does not say its {' or '.join(silent) or 'version'}", numbers)
        return Probed("pass", "it says " + ", ".join(f"{k} {v}" for k, v in said.items()), numbers)


def _same(name: str, wanted: str, said: str) -> bool:
    """A commit may be abbreviated on either side, to no fewer than seven digits."""
    if name != "commit" or min(len(wanted), len(said)) < 7:
        return wanted == said
    return wanted.lower().startswith(said.lower()) or said.lower().startswith(wanted.lower())


async def version_said(ctx: Context, at: VersionAt) -> dict[str, str]:
    """What the service says of itself, of version, commit and digest. Raises where it does not answer."""
    reply = await ask(ctx, at.path)
    if not 200 <= reply.status < 300:
        raise WarroomError(f"HTTP {reply.status}", "a version was expected")
    said: dict[str, str] = {}
    for name, where in (("version", at.version), ("commit", at.commit), ("digest", at.digest)):
        found = pick(reply.data, where)
        if found is not MISSING and isinstance(found, str) and found:
            said[name] = found[:200]
    return said
