"""What happens to the containers, by the engine's own word, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from warroom.model.signal import Level
from warroom_compose.project import LABEL, labelled

ACTIONS = (
    *("create", "start", "restart", "stop", "kill", "die", "oom", "pause", "unpause", "rename", "destroy", "update"),
    "health_status",
)
REMEMBERED = 256
"""How many events an engine keeps, of all its containers: where it has so many, older ones are forgotten."""
_SAID = {
    "create": "was made",
    "start": "started",
    "restart": "was restarted",
    "stop": "was stopped",
    "pause": "was paused",
    "unpause": "goes on after its pause",
    "destroy": "was removed",
    "update": "got other limits",
}
_SIGNALS = {"137": ", killed", "143": ", after SIGTERM", "139": ", a crash"}


@dataclass(frozen=True)
class Happened:
    """``ns`` is when, since 1970. ``words`` is empty for what is of no use to a reader."""

    action: str
    container: str
    service: str
    name: str
    ns: int
    words: str
    level: Level
    exit_code: int | None = None


def query(project: str) -> dict[str, list[str]]:
    """The filter of ``/events``."""
    return {"type": ["container"], **labelled(project), "event": list(ACTIONS)}


def happened(event: Mapping[str, Any]) -> Iterator[Happened]:
    """Nothing for what is no event of a container."""
    actor = event.get("Actor") or {}
    told = {str(name): str(value) for name, value in (actor.get("Attributes") or {}).items()}
    action, _, rest = str(event.get("Action", "")).partition(": ")
    if action not in ACTIONS or not actor.get("ID"):
        return
    code = told.get("exitCode", "")
    service, name = told.get(f"{LABEL}service", ""), told.get("name", "")
    words, level = _words(action, rest, name, told)
    yield Happened(
        action=action,
        container=str(actor["ID"]),
        service=service,
        name=name,
        ns=int(event.get("timeNano") or 0) or int(event.get("time") or 0) * 10**9,
        words=words,
        level=level,
        exit_code=int(code) if code.isdigit() else None,
    )


def _words(action: str, rest: str, name: str, told: Mapping[str, str]) -> tuple[str, Level]:
    match action:
        case "oom":
            return f"{name} had no memory left: something in it was killed for it", "error"
        case "die":
            code = told.get("exitCode", "?")
            level: Level = "info" if code in ("0", "143") else "error"
            return f"{name} ended with exit code {code}{_SIGNALS.get(code, '')}", level
        case "health_status":
            return f"{name} is {rest}", "error" if rest == "unhealthy" else "info"
        case "kill":
            return f"{name} was sent signal {told.get('signal', '?')}", "info"
        case "rename":
            return f"{told.get('oldName', '?').lstrip('/')} is called {name} now", "info"
        case "create" | "start":
            return f"{name} {_SAID[action]} from {told.get('image', '?')}", "info"
    return f"{name} {_SAID.get(action, action)}", "info"
