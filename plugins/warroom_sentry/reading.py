"""What Sentry's answers say: the newest whole minute of errors, the release that was deployed last, issues since."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

from warroom.api import WarroomError
from warroom_sentry.asking import Asker, said_at

MINUTE = 60
BACK = "15m"


@dataclass(frozen=True)
class Deployed:
    """A release, and since when it is deployed; ``by_deploy`` False: nobody tells Sentry of deploys, so it is the time
    at which the release was made known to it."""

    version: str
    at: datetime
    by_deploy: bool


@dataclass(frozen=True)
class Minute:
    """Errors in one whole minute, ``end`` by Sentry's clock."""

    count: float
    end: datetime


def scoped(asker: Asker, project: str) -> list[tuple[str, str]]:
    """The parameters that keep a question to the project and environment."""
    environment = asker.config.environment
    return [("project", project), *([("environment", environment)] if environment else [])]


async def errors(asker: Asker, project: str, query: str, period: str = BACK) -> tuple[Mapping[str, Any], datetime]:
    """(errors by the minute as Sentry gives them, when it answered)."""
    search = " ".join(part for part in ("event.type:error", query) if part)
    params = [
        *scoped(asker, project),
        ("query", search),
        ("yAxis", "count()"),
        ("interval", "1m"),
        ("statsPeriod", period),
    ]
    path = f"organizations/{quote(asker.config.organization)}/events-stats/"
    reply = await asker.one(path, params, what="the error counts", scope="event:read")
    if not isinstance(reply.data, dict):
        raise WarroomError("Sentry's error counts can't be read", "an object was expected")
    return reply.data, said_at(reply) or asker.ctx.clock.now()


def of_release(query: str, version: str) -> str:
    """The search, kept to one release."""
    return f'{query} release:"{version}"'.strip()


def newest_minute(data: Mapping[str, Any], server: datetime, lag: float) -> Minute:
    """The newest minute that ended ``lag`` seconds ago. Raises where minutes can't be told from the answer."""
    points = [_point(one) for one in _list(data.get("data"))]
    steps = {after[0] - before[0] for before, after in pairwise(points)}
    if steps - {MINUTE}:
        raise WarroomError("Sentry's error counts can't be read", f"steps of {sorted(steps)} s, 60 were expected")
    whole = [point for point in points if point[0] + MINUTE + lag <= server.timestamp()]
    if not whole:
        raise WarroomError("Sentry has no whole minute yet", f"{len(points)} minutes were answered")
    start, count = whole[-1]
    return Minute(count, _moment(start + MINUTE))


def skewed(server: datetime, now: datetime, limit: float) -> str:
    """Why Sentry's times can't be held against this machine's; empty when they can."""
    away = (server - now).total_seconds()
    if abs(away) <= limit:
        return ""
    return f"Sentry's clock is {timedelta(seconds=round(abs(away)))} {'ahead of' if away > 0 else 'behind'} this one's"


async def releases(asker: Asker, project: str, most: int = 1) -> list[dict[str, Any]]:
    """Releases as Sentry lists them, newest first, up to ``most`` pages of them."""
    path = f"organizations/{quote(asker.config.organization)}/releases/"
    params = [*scoped(asker, project), ("per_page", "100")]
    found, _ = await asker.pages(path, params, what="the releases", scope="project:releases", most=most)
    return found


def deployed_last(found: Sequence[Mapping[str, Any]], environment: str | None) -> Deployed | None:
    """The release that was deployed last (to ``environment``); where no deploys are known, the one made last."""
    known = [one for one in (_deployed(each, environment) for each in found) if one is not None]
    by_deploy = [one for one in known if one.by_deploy]
    return max(by_deploy or known, key=lambda one: one.at, default=None)


async def new_issues(
    asker: Asker, project: str, since: datetime, query: str
) -> tuple[list[dict[str, Any]], bool, datetime]:
    """(issues first seen since, whether these are all, when it was asked)."""
    at = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    search = f"{query} firstSeen:>={at}".strip()
    params = [*scoped(asker, project), ("query", search), ("sort", "new"), ("limit", "100"), ("statsPeriod", "14d")]
    path = f"organizations/{quote(asker.config.organization)}/issues/"
    found, whole = await asker.pages(path, params, what="the issues", scope="event:read")
    seen = [issue for issue in found if (first := _time(issue.get("firstSeen"))) is not None and first >= since]
    return seen, whole, asker.ctx.clock.now()


def _deployed(release: Mapping[str, Any], environment: str | None) -> Deployed | None:
    version, deploy = release.get("version"), release.get("lastDeploy")
    if not isinstance(version, str) or not version:
        return None
    if isinstance(deploy, dict) and (environment is None or deploy.get("environment") == environment):
        at = _time(deploy.get("dateFinished"))
        if at is not None:
            return Deployed(version[:250], at, True)
    at = _time(release.get("dateReleased")) or _time(release.get("dateCreated"))
    return Deployed(version[:250], at, False) if at is not None else None


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text[:40])
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _point(one: JsonValue) -> tuple[float, float]:
    """``[1700000000, [{"count": 4}]]`` as (start, count)."""
    match one:
        case [int() | float() as start, [{"count": int() | float() as count}]] if count >= 0 and math.isfinite(start):
            return float(start), float(count)
    raise WarroomError("Sentry's error counts can't be read", f"{str(one)[:60]!r} is no minute and its count")


def _list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    raise WarroomError("Sentry's error counts can't be read", "a list of minutes was expected")


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise WarroomError("Sentry's error counts can't be read", "a time is out of all bounds") from None
