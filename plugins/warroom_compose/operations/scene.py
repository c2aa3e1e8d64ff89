"""The facts that operations on services share: the project as it is now, and what is pinned of it in a plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.plan import Look
from warroom.model.units import listed
from warroom_compose.client import Engine, engine
from warroom_compose.operations.seeing import Stand, stand
from warroom_compose.project import LABEL, Container, NoProject, Project, find


@dataclass(frozen=True)
class Scene:
    engine: Engine
    project: Project
    stand: Stand

    def facts(self, services: Sequence[str]) -> dict[str, JsonValue]:
        """What every operation's preview needs: how its lines begin, and what must be the same when they run."""
        project = self.project
        return {
            "engine": project.engine_id,
            "project": project.name,
            "now": self.stand.now,
            "ahead_s": round(self.stand.ahead_s, 3),
            "docker": list(project.docker),
            "compose": list(project.argv(pins=True)),
            "bare": list(project.argv(pins=False)),
            "usual": list(project.argv(pins=self.pinned(services))),
            "pin_file": str(project.pin_file),
            "definition": dict(project.definition()),
            "containers": {service: [one.id for one in project.of(service)] for service in services},
        }

    def pinned(self, services: Sequence[str]) -> bool:
        """Whether what runs of them was made with the pins. They may be those of an earlier incident."""
        pin_file, label = str(self.project.pin_file), f"{LABEL}project.config_files"
        made = [one.labels.get(label, "").split(",") for one in self.project.of(*services)]
        return self.project.pinned and any(pin_file in files for files in made)


@asynccontextmanager
async def scene(ctx: Context) -> AsyncIterator[Scene]:
    async with engine(ctx) as opened:
        now = await stand(ctx, opened)
        yield Scene(opened, await find(ctx, opened), now)


def there(project: Project, services: Sequence[str]) -> None:
    """Raises BadInput where one of them has no container at all."""
    for service in services:
        if not project.of(service):
            known = listed(sorted(project.services), 12)
            raise BadInput(
                f"{service} has no container in the project {project.name}", f"it has: {known}", "correct the runbook"
            )


def pinned(facts: Facts, *, containers: bool = True, definition: bool = True) -> dict[str, JsonValue]:
    """Identities and specifications, by names that people read; never how well anything is."""
    found: dict[str, JsonValue] = {"engine": facts["engine"]}
    if definition:
        found |= {f"file {path}": str(digest) or "missing" for path, digest in _items(facts["definition"])}
    if containers:
        found |= {name_of(service): ids(facts, service) for service, _ in _items(facts["containers"])}
    return found


def name_of(service: str) -> str:
    return f"containers of {service}"


def ids(facts: Facts, service: str) -> str:
    """The beginnings of its containers' IDs, as ``docker ps`` shows them."""
    return " ".join(each[:12] for each in before(facts, service)) or "none"


def before(facts: Facts, service: str) -> list[str]:
    """The IDs of its containers when the facts were read."""
    found = dict(_items(facts["containers"])).get(service, [])
    return [str(each) for each in found] if isinstance(found, list) else []


def words(value: JsonValue) -> tuple[str, ...]:
    """The beginning of a command line, out of facts."""
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _items(value: JsonValue) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def mapping(value: JsonValue) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def unseen(error: WarroomError) -> Look:
    words = str(error) if isinstance(error, NoProject) else f"the engine can't be asked: {error}"
    return Look(verdict="cannot-tell", seen=words)


def shown(containers: Sequence[Container]) -> str:
    """``web-1, web-2``"""
    return listed([one.shown for one in containers], 6)
