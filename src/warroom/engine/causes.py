"""What helps to find the cause, kept with the evidence: what changed with the release, and which errors it brought."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Protocol

from warroom.actions.evidence import CollectorFolder
from warroom.engine.core import Core
from warroom.engine.sensing import Sensing
from warroom.model.live import ReleasesPage
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import LogLine

KIND = "causes"
MOST_KINDS = 200
_SETTINGS = (".env", ".ini", ".toml", ".yaml", ".yml", ".conf", ".cfg", ".properties")


class Releases(Protocol):
    """Who knows the releases there are, and what lies between them."""

    async def releases(self) -> ReleasesPage: ...

    async def diff(self, to: Release) -> ReleaseDiff | None: ...


async def keep(core: Core, sensing: Sensing, known: Releases, folder: CollectorFolder) -> None:
    """``changes.json`` and ``errors.json``. What can't be told is null there, with the reason."""
    from warroom.signals.kinds import error_kinds

    errors = await asyncio.to_thread(error_kinds, sensing.spool, deployed_at(core))
    document: dict[str, Any] = {
        "deployed_at": _at(deployed_at(core)),
        "first_error": _line(errors.first),
        "error_lines_looked_at": errors.looked_at,
        "error_lines_kept": errors.of,
        "kinds": [
            {"kind": each.kind, "count": each.count, "new": each.new, "first": _line(each.first)}
            for each in errors.kinds[:MOST_KINDS]
        ],
        "kinds_left_out": max(0, len(errors.kinds) - MOST_KINDS),
    }
    await folder.write("errors.json", json.dumps(document, indent=1, ensure_ascii=False).encode(), kind=KIND)
    changes = await _changes(core, known)
    await folder.write("changes.json", json.dumps(changes, indent=1, ensure_ascii=False).encode(), kind=KIND)


def deployed_at(core: Core) -> datetime | None:
    """When what runs now was deployed, by its own word, else when it was first seen to run here."""
    running = core.running
    if running is not None and running.deployed_at is not None:
        return running.deployed_at
    return core.state.changes[-1].at if core.state.changes else None


async def _changes(core: Core, known: Releases) -> dict[str, Any]:
    running, target = core.running, await _target(core, known)
    diff = await known.diff(target) if target is not None and running is not None else None
    return {
        "running": running.model_dump(mode="json") if running is not None else None,
        "target": target.model_dump(mode="json") if target is not None else None,
        "from_target_to_running": _said(diff) if diff is not None else None,
        "why_not_known": "" if diff is not None else _why(running, target),
    }


async def _target(core: Core, known: Releases) -> Release | None:
    if core.state.target is not None:
        return core.state.target.release
    page = await known.releases()
    return page.releases[page.best] if page.best is not None else None


def _why(running: Release | None, target: Release | None) -> str:
    if running is None:
        return "what runs is not known"
    return "no release to go back to is known" if target is None else "no platform can tell what lies between them"


def _said(diff: ReleaseDiff) -> dict[str, Any]:
    """Also which of the files look like settings: where a platform tells no ``config_keys`` somebody has to look."""
    settings = [name for name in diff.files if _is_settings(name)]
    return {**diff.model_dump(mode="json"), "settings_files": settings}


def _is_settings(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name.startswith(".env") or path.suffix in _SETTINGS or "config" in path.parts


def _line(line: LogLine | None) -> dict[str, Any] | None:
    return {"at": _at(line.at), "source": line.source, "text": line.text} if line is not None else None


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
