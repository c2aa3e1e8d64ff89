"""What Sentry knew at this moment: the issues that came most often, their latest events, errors by release."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from warroom.api import Context, Folder, WarroomError
from warroom_sentry.asking import Asker, why
from warroom_sentry.config import Config
from warroom_sentry.reading import errors, of_release, releases, scoped

TOP, EVENTS, RELEASES = 25, 5, 3


class ErrorsCollector:
    """JSON as Sentry gives it; the folder redacts it. What can't be had leaves its reason in its place."""

    name = "sentry"
    kinds: tuple[str, ...] = ("errors",)
    timeout_s = 120.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """Raises where the issues can't be read: without them there is no evidence here."""
        config: Config = ctx.config
        asker = Asker(ctx)
        project = await asker.project_id()
        told = {
            "server": config.base_url,
            "project": f"{config.organization}/{config.project}",
            "environment": config.environment,
            "at": ctx.clock.now().isoformat(),
        }
        issues = await _issues(asker, project)
        await folder.write("issues.json", _json({**told, "issues": issues}), kind="errors")
        for issue in issues[:EVENTS]:
            number = str(issue.get("id"))
            if number.isdigit():
                event = await _latest(asker, number)
                await folder.write(f"event-of-issue-{number}.json", _json({**told, **event}), kind="errors")
        await folder.write("releases.json", _json({**told, **await _by_release(asker, project)}), kind="errors")


async def _issues(asker: Asker, project: str) -> list[dict[str, Any]]:
    params = [
        *scoped(asker, project),
        ("query", "is:unresolved"),
        ("sort", "freq"),
        ("limit", str(TOP)),
        ("statsPeriod", "24h"),
    ]
    path = f"organizations/{quote(asker.config.organization)}/issues/"
    found, _ = await asker.pages(path, params, what="the issues", scope="event:read", most=1)
    return found


async def _latest(asker: Asker, issue: str) -> dict[str, Any]:
    path = f"organizations/{quote(asker.config.organization)}/issues/{issue}/events/latest/"
    try:
        return {"event": (await asker.one(path, what="an issue's latest event", scope="event:read")).data}
    except WarroomError as error:
        return {"error": why(error)}


async def _by_release(asker: Asker, project: str) -> dict[str, Any]:
    """The newest releases, each with its errors by the minute over the last hour, and those of all together."""
    try:
        found = await releases(asker, project)
        counts: dict[str, Any] = {"all": dict((await errors(asker, project, "", "1h"))[0])}
        for release in found[:RELEASES]:
            version = str(release.get("version"))
            if '"' not in version and "*" not in version:
                counts[version] = dict((await errors(asker, project, of_release("", version), "1h"))[0])
    except WarroomError as error:
        return {"error": why(error)}
    return {"releases": found, "errors_by_minute": counts}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
