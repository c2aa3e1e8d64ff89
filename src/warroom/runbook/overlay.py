"""What the default runbook does by itself on a platform that the file names: laid over it before the file's own.

Today there is one, for Docker Compose (``compose.yaml``). A procedure keeps its words and its place; the steps that
stand in the overlay take the place of those that a person does, in the overlay's order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from warroom.runbook.nodes import Map, Node, Scalar, compose
from warroom.runbook.problems import Pos, Problem

COMPOSE_FILE = Path(__file__).with_name("compose.yaml")
PLUGIN = "compose"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Overlaid:
    """``platform`` is the one that it is made for; None, with a reason where there could have been one."""

    root: Map
    platform: str | None = None
    warnings: tuple[Problem, ...] = ()


def overlaid(own: Map, default: Map) -> Overlaid:
    """``default`` with what it does on the file's Compose project; as it is where the file names none."""
    named = list(_platforms(own))
    chosen = next((each for each in named if each[0] == PLUGIN), named[0] if len(named) == 1 else None)
    if chosen is None:
        told = (_which(named[0][1], [name for name, _, _ in named]),) if named else ()
        return Overlaid(default, warnings=told)
    platform, _, config = chosen
    services = released(config)
    if not services:
        return Overlaid(default)  # the plugin says what is wrong with its configuration
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    for token, value in (
        ("@PLATFORM@", platform),
        ("@RELEASED@", json.dumps(services)),
        ("@RELEASE@", services[0]),
    ):
        text = text.replace(token, value)
    root = compose(text, str(COMPOSE_FILE)).root
    assert isinstance(root, Map)
    return Overlaid(_over(root, default), platform)


def _which(pos: Pos, names: list[str]) -> Problem:
    found = f"{len(names)} Compose projects ({', '.join(names)}), none of them called {PLUGIN}"
    return Problem(pos, found, "one of that name: Option B of the default runbook stays a person's work")


def _platforms(own: Map) -> Iterator[tuple[str, Pos, Node]]:
    """(name, place, configuration) of each Compose project that the file names."""
    for name, (pos, platform) in _entries(_at(own, "platforms")).items():
        plugin = _at(platform, "plugin")
        config = _at(platform, "config")
        if isinstance(plugin, Scalar) and plugin.value == PLUGIN and config is not None:
            yield name, pos, config


def released(config: Node) -> list[str]:
    """The services that are rolled back together, the one whose image is the release first. Empty for a configuration
    that doesn't say it as it should."""
    services = _entries(_at(config, "services"))
    wanted = _at(config, "release")
    first = wanted.value if isinstance(wanted, Scalar) else next(iter(services), None)
    if first not in services:
        return []
    follow = [
        name
        for name, (_, service) in services.items()
        if name != first and isinstance(said := _at(service, "with_release"), Scalar) and said.value is True
    ]
    found = [str(first), *follow]
    return found if all(_NAME.fullmatch(name) for name in found) else []


def _at(node: Node | None, key: str) -> Node | None:
    return node.entries[key][1] if isinstance(node, Map) and key in node.entries else None


def _entries(node: Node | None) -> dict[str, tuple[Pos, Node]]:
    return node.entries if isinstance(node, Map) else {}


def _over(overlay: Map, default: Map) -> Map:
    entries = dict(default.entries)
    for section, (pos, node) in overlay.entries.items():
        base = _entries(_at(default, section))
        patched = {
            name: (at, _procedure(each, _at(default.entries[section][1], name)) if section == "procedures" else each)
            for name, (at, each) in _entries(node).items()
        }
        entries[section] = (pos, Map(node.pos, {**base, **patched}))
    return Map(default.pos, entries)


def _procedure(mine: Node, base: Node | None) -> Node:
    """The default's procedure with these keys over it. Steps are in this one's order; an empty one is the default's."""
    theirs = _entries(_at(base, "steps"))
    steps = {
        name: theirs[name] if isinstance(step, Scalar) and step.value is None else (pos, step)
        for name, (pos, step) in _entries(_at(mine, "steps")).items()
    }
    own = {key: entry for key, entry in _entries(mine).items() if key != "steps"}
    return Map(mine.pos, {**_entries(base), **own, "steps": (mine.pos, Map(mine.pos, steps))})
