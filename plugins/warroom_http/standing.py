"""What the service is, what it says it runs, and whether warroom could look at it now."""

from __future__ import annotations

from collections.abc import Sequence

from warroom.api import Context, Ready, Unreachable, WarroomError
from warroom.model.base import span_text
from warroom.model.call import Secret
from warroom.model.release import Release, ReleaseDiff
from warroom_http.asking import ask, why
from warroom_http.config import Config
from warroom_http.declared import ActiveSignal
from warroom_http.documents import pick
from warroom_http.probes import version_said


class HttpIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        config: Config = ctx.config
        if config.identity is None:
            raise WarroomError(
                "no fingerprint",
                "The platform's configuration names no identity",
                "Name a path and a field under identity that only this environment answers",
            )
        reply = await ask(ctx, config.identity.path)
        found = pick(reply.data, config.identity.field)
        if not 200 <= reply.status < 300 or not isinstance(found, str | int) or isinstance(found, bool) or found == "":
            raise WarroomError(
                "the fingerprint could not be read",
                f"{config.identity.path} answered HTTP {reply.status} without {config.identity.field}",
            )
        return str(found)[:300]


class HttpReleases:
    """Only what runs now, by the service's own word. Which releases there are is another platform's knowledge."""

    async def running(self, ctx: Context) -> Release | None:
        config: Config = ctx.config
        if config.version is None:
            return None
        said = await version_said(ctx, config.version)
        if not said:
            return None
        note = "by the service's own word"
        return Release(version=said.get("version", ""), commit=said.get("commit"), digest=said.get("digest"), note=note)

    async def history(self, ctx: Context) -> Sequence[Release]:
        return ()

    async def resolve(self, ctx: Context, text: str) -> Release:
        """Never: but that says nothing about the release, which a person may still name as they know it."""
        raise Unreachable("Releases can't be looked up over HTTP", "The service only says what it runs now")

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        return ReleaseDiff(older=older.name, newer=newer.name, notes=("what changed is not known over HTTP",))


class HttpReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        config: Config = ctx.config
        rows = [_secret(ctx, name) for name in secret_names(config)]
        rows.append(await _health(ctx, config.health))
        tried = [name for name, signal in config.signals.items() if isinstance(signal, ActiveSignal)]
        return [*rows, _active(ctx, tried)] if tried else rows


def _active(ctx: Context, tried: list[str]) -> Ready:
    """What tries the service's protections, and whether it may here."""
    config: Config = ctx.config
    row, title, names = "http-active", f"{ctx.platform}: active probes", ", ".join(tried)
    if ctx.environment == "production" and not config.active.in_production:
        fix = "active: {in_production: true, every: 5m} turns them on; active_probes of the runbook gives its leave"
        return Ready(row, title, "unknown", f"off in production, so nobody knows: {names}", fix)
    return Ready(row, title, "ready", f"every {span_text(config.active.every)} at most: {names}")


async def _health(ctx: Context, path: str) -> Ready:
    title = f"{ctx.platform}: the health page answers"
    try:
        reply = await ask(ctx, path)
    except WarroomError as error:
        fix = error.hint or "check base_url, the network from here, and that the service runs"
        return Ready("http-health", title, "not-ready", f"{path}: {why(error, fix=False)}", fix)
    if 200 <= reply.status < 300:
        return Ready("http-health", title, "ready", f"{path}: HTTP {reply.status}")
    fix = "warroom can reach the service; its health path may be another, or it needs a header"
    return Ready("http-health", title, "not-ready", f"{path}: HTTP {reply.status}", fix)


def _secret(ctx: Context, name: str) -> Ready:
    row, title = f"http-secret-{name}", f"{ctx.platform}: the secret {name}"
    try:
        ctx.secret(name)
    except WarroomError as error:
        return Ready(row, title, "not-ready", why(error, fix=False), error.hint or "set it where warroom runs")
    return Ready(row, title, "ready", "there")


def secret_names(config: Config) -> list[str]:
    """Every secret that the configuration names, once, in order."""
    steps = [step for flow in config.flows.values() for step in flow.steps.values()]
    steps += [signal.request for signal in config.signals.values() if isinstance(signal, ActiveSignal)]
    headers = [config.headers, *(step.headers for step in steps)]
    names = [value.secret for some in headers for value in some.values() if isinstance(value, Secret)]
    names += [name for step in steps for name in _in_body(step.body)]
    return list(dict.fromkeys(names))


def _in_body(value: object) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            return [value["secret"]]
        return [name for inner in value.values() for name in _in_body(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _in_body(inner)]
    return []
