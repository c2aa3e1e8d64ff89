"""What the application says of itself, where the runbook names an address or a path of its Service for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import JsonValue

from warroom.api import Context, WarroomError
from warroom_kubernetes.config import Workload
from warroom_kubernetes.reach.asking import Cluster
from warroom_kubernetes.reach.paths import service_proxy

APP_TIMEOUT = 2.0

_BEFORE_RELEASE = re.compile(r"(rc|alpha|beta|pre|dev|snapshot|[ab][0-9])", re.IGNORECASE)
"""How what comes before a release ends, by the custom of most."""


@dataclass(frozen=True)
class Said:
    """Without a version where it does not answer with one: ``words`` say why."""

    version: str = ""
    commit: str | None = None
    words: str = ""


async def said_by(ctx: Context, api: Cluster, workload: Workload, timeout: float = APP_TIMEOUT) -> Said | None:
    """None where neither an address nor a path is configured."""
    try:
        if workload.version_url is not None:
            reply = await ctx.read.http("GET", workload.version_url, timeout=timeout)
            if reply.status != 200:
                return Said(words=f"the app does not say what it is: HTTP {reply.status}")
            return said(reply.data)
        if workload.version_path is not None and workload.service is not None:
            of = service_proxy(api.namespace, workload.service, workload.version_path)
            return said(await api.get(of, timeout=timeout))
    except WarroomError as error:
        return Said(words=f"the app does not say what it is: {error.title}"[:200])
    return None


@dataclass(frozen=True)
class Word:
    """``same``: whether the app calls itself what was meant; None where it does not say."""

    same: bool | None
    words: str


async def word_of(ctx: Context, api: Cluster, workload: Workload, meant: str) -> Word | None:
    """None where nobody asks what it calls itself."""
    told = await said_by(ctx, api, workload) if meant else None
    return None if told is None else held(told, meant)


def held(told: Said, meant: str) -> Word:
    """Pure. That it can't be asked, from here or just now, speaks neither for nor against it."""
    if agrees(told, meant):
        return Word(True, told.words)
    if told.version or told.commit:
        return Word(False, f"{told.words}, where {meant} was meant")
    return Word(None, told.words)


def agrees(told: Said, meant: str) -> bool:
    """``v1.2`` and ``1.2`` name one; so do ``1.2`` and the image ``1.2-alpine`` or the build ``1.2+3``, but neither
    ``1.2`` and ``1.2-rc1``, nor a branch and what was built of it. A commit is named by seven of its digits."""
    wanted, own = meant.removeprefix("v"), told.version.removeprefix("v")
    if own and (own == wanted or _of_build(wanted) == own or _of_build(own) == wanted):
        return True
    commit = told.commit or ""
    return len(meant) >= 7 and bool(commit) and (commit.startswith(meant) or meant.startswith(commit[:40]))


def _of_build(version: str) -> str | None:
    """What is left of a number without its build or variant."""
    number, _, rest = re.sub("[-+]", "\n", version, count=1).partition("\n")
    return number if re.match("[0-9]", number) and not _BEFORE_RELEASE.match(rest) else None


def said(told: JsonValue) -> Said:
    """Pure: from what it answered."""
    found = told if isinstance(told, dict) else {}
    version, commit = found.get("version"), found.get("commit")
    if not (isinstance(version, str) or isinstance(commit, str)):
        return Said(words="the app does not say what it is: no version in its answer")
    named = version if isinstance(version, str) else ""
    return Said(named[:100], commit[:64] if isinstance(commit, str) else None, f"the app says {named or commit}"[:120])
