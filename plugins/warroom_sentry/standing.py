"""Whether the token may read what will be wanted, before it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from warroom.api import Context, Ready, TryLater, WarroomError
from warroom_sentry.asking import Asker, NotAllowed, why
from warroom_sentry.reading import deployed_last, errors, new_issues, newest_minute, releases

WANTED = {
    "event:read": ("event:read", "event:write", "event:admin"),
    "project:read": ("project:read", "project:write", "project:admin"),
    "org:read": ("org:read", "org:write", "org:admin"),
}
"""What is wanted, and the scopes that hold it."""
FIX = "make an internal integration's token that reads issues and events, projects and the organization"


class SentryReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        """The token's scopes, and then each kind of question once: what a scope promises may still be refused."""
        asker = Asker(ctx)
        token = _secret(ctx, asker.config.token)
        if token.status == "not-ready":
            return [token]
        rows = [token, await _scopes(asker)]
        project = ""

        async def found() -> str:
            nonlocal project
            project = await asker.project_id()
            return f"number {project}"

        async def counts() -> str:
            data, server = await errors(asker, project, "")
            minute = newest_minute(data, server, 20)
            return f"{minute.count:g} errors in the minute to {minute.end:%H:%M} UTC"

        async def known() -> str:
            newest = deployed_last(await releases(asker, project), asker.config.environment)
            if newest is None:
                return "none is known: nothing can be told since a deploy"
            return f"{newest.version}, {'deployed' if newest.by_deploy else 'made'} {newest.at:%Y-%m-%d %H:%M} UTC"

        async def issues() -> str:
            seen, _, _ = await new_issues(asker, project, ctx.clock.now(), "is:unresolved")
            return f"they can be read, {len(seen)} of this moment"

        rows.append(await _asked(ctx, "sentry-project", "the project", found))
        if rows[-1].status == "ready":
            rows.append(await _asked(ctx, "sentry-errors", "error counts", counts))
            rows.append(await _asked(ctx, "sentry-releases", "releases", known))
            rows.append(await _asked(ctx, "sentry-issues", "issues", issues))
        return rows


async def _scopes(asker: Asker) -> Ready:
    row, title = "sentry-scopes", f"{asker.ctx.platform}: the token's scopes"
    try:
        reply = await asker.one("", what="its index", scope="any")
    except TryLater as error:
        return Ready(row, title, "unknown", why(error, fix=False))
    except WarroomError as error:
        return Ready(
            row, title, "not-ready", why(error, fix=False), error.hint or "check base_url and the network from here"
        )
    auth = reply.data.get("auth") if isinstance(reply.data, dict) else None
    scopes = auth.get("scopes") if isinstance(auth, dict) else None
    if not isinstance(scopes, list):
        return Ready(row, title, "unknown", "Sentry does not tell them: each question is tried below")
    known = {str(scope) for scope in scopes}
    lacking = [wanted for wanted, holding in WANTED.items() if not known & set(holding)]
    has = ", ".join(sorted(known))[:200] or "none"
    if lacking:
        return Ready(row, title, "not-ready", f"it lacks {', '.join(lacking)}; it has {has}", FIX)
    return Ready(row, title, "ready", has)


async def _asked(ctx: Context, row: str, what: str, ask: Callable[[], Awaitable[str]]) -> Ready:
    title = f"{ctx.platform}: {what}"
    try:
        return Ready(row, title, "ready", await ask())
    except NotAllowed as error:
        return Ready(row, title, "not-ready", why(error, fix=False), error.hint)
    except TryLater as error:
        return Ready(row, title, "unknown", why(error, fix=False))
    except WarroomError as error:
        return Ready(
            row, title, "not-ready", why(error, fix=False), error.hint or "check base_url and the network from here"
        )


def _secret(ctx: Context, name: str) -> Ready:
    title = f"{ctx.platform}: the secret {name}"
    try:
        ctx.secret(name)
    except WarroomError as error:
        return Ready(
            "sentry-token", title, "not-ready", why(error, fix=False), error.hint or "set it where warroom runs"
        )
    return Ready("sentry-token", title, "ready", "there")
