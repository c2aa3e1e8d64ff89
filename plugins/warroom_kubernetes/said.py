"""What the application says of itself, where the runbook names an address or a path of its Service for it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from warroom.api import Context, WarroomError
from warroom_kubernetes.asking import Cluster
from warroom_kubernetes.config import Workload
from warroom_kubernetes.paths import service_proxy

APP_TIMEOUT = 2.0


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


def said(told: JsonValue) -> Said:
    """Pure: from what it answered."""
    found = told if isinstance(told, dict) else {}
    version, commit = found.get("version"), found.get("commit")
    if not (isinstance(version, str) or isinstance(commit, str)):
        return Said(words="the app does not say what it is: no version in its answer")
    named = version if isinstance(version, str) else ""
    return Said(named[:100], commit[:64] if isinstance(commit, str) else None, f"the app says {named or commit}"[:120])
