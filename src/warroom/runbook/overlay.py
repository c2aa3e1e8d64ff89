"""What the default runbook does by itself on a platform that the file names: laid over it before the file's own.

There are two: for Docker Compose (``compose.yaml``) and for Kubernetes (``kubernetes.yaml``). A procedure keeps its
words and its place; the steps that stand in the overlay take the place of those that a person does, in the overlay's
order. Where a file has both, what either could do (stopping writes) is done on the one that it names first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from warroom.runbook.nodes import Map, Node, Scalar, Seq, compose
from warroom.runbook.problems import Pos, Problem

COMPOSE_FILE = Path(__file__).with_name("compose.yaml")
KUBERNETES_FILE = Path(__file__).with_name("kubernetes.yaml")
EACH = "@EACH@"
_REPEATED = re.compile("@EACH@|@CLUSTER@")
_TOKEN = re.compile("@[A-Z]+@")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class _Kind:
    """One overlay: which plugin it is for, what its configuration lists, and how people call these.

    ``several``: its steps are for each platform, one after the other, so that the first that fails ends the run.
    """

    plugin: str
    file: Path
    listed: str
    named: str
    option: str
    several: bool = False


_KINDS = (
    _Kind("compose", COMPOSE_FILE, "services", "Compose projects", "Option B"),
    _Kind("kubernetes", KUBERNETES_FILE, "workloads", "Kubernetes clusters", "Option C", several=True),
)
Places = Mapping[str, list[str]]
"""What is rolled back together, the release first, by platform in the file's order."""


@dataclass(frozen=True)
class Overlaid:
    """``places`` are the platforms that it is made for, by plugin; ``warnings`` say where there could have been one."""

    root: Map
    places: Mapping[str, Places]
    warnings: tuple[Problem, ...] = ()


def overlaid(own: Map, default: Map) -> Overlaid:
    """``default`` with what it does on the file's platforms; as it is where the file names none."""
    chosen: dict[str, Places] = {}
    warnings: list[Problem] = []
    for kind in _KINDS:
        named = list(_platforms(own, kind.plugin))
        one = [each for each in named if each[0] == kind.plugin] or named
        if len(one) > 1 and not kind.several:
            warnings.append(_which(kind, named[0][1], [name for name, _, _ in named]))
            continue
        places = {name: released(config, kind.listed) for name, _, config in (named if kind.several else one)}
        if places and all(places.values()):  # else the plugin says what is wrong with its configuration
            chosen[kind.plugin] = places
    root = default
    order = list(_entries(_at(own, "platforms")))
    kinds = [kind for kind in _KINDS if kind.plugin in chosen]
    for kind in sorted(kinds, key=lambda each: order.index(next(iter(chosen[each.plugin]))), reverse=True):
        root = _over(_read(kind, chosen[kind.plugin]), root, default, chosen[kind.plugin])
    return Overlaid(root, chosen, tuple(warnings))


def _which(kind: _Kind, pos: Pos, names: list[str]) -> Problem:
    found = f"{len(names)} {kind.named} ({', '.join(names)}), none of them called {kind.plugin}"
    return Problem(pos, found, f"one of that name: {kind.option} of the default runbook stays a person's work")


def _read(kind: _Kind, places: Places) -> Map:
    platform, names = next(iter(places.items()))
    text = kind.file.read_text(encoding="utf-8")
    for token, value in (
        ("@PLATFORM@", platform),
        ("@PLATFORMS@", json.dumps(list(places))),
        ("@RELEASED@", json.dumps(names)),
        ("@RELEASE@", names[0]),
    ):
        text = text.replace(token, value)
    root = compose(text, str(kind.file)).root
    assert isinstance(root, Map)
    return root


def _platforms(own: Map, plugin: str) -> Iterator[tuple[str, Pos, Node]]:
    """(name, place, configuration) of each platform of that plugin that the file names."""
    for name, (pos, platform) in _entries(_at(own, "platforms")).items():
        said = _at(platform, "plugin")
        config = _at(platform, "config")
        if isinstance(said, Scalar) and said.value == plugin and config is not None:
            yield name, pos, config


def released(config: Node, listed: str = "services") -> list[str]:
    """Those that are rolled back together, the one whose image is the release first. Empty for a configuration that
    doesn't say it as it should."""
    services = _entries(_at(config, listed))
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


def _over(overlay: Map, root: Map, default: Map, places: Places) -> Map:
    """``overlay`` over ``root``; what it leaves as it is, is ``default``'s."""
    entries = dict(root.entries)
    for section, (pos, node) in overlay.entries.items():
        theirs = _at(default, section)
        patched = {
            name: (at, _procedure(each, _at(theirs, name), places) if section == "procedures" else each)
            for name, (at, each) in _repeated(_entries(node), places).items()
        }
        entries[section] = (pos, Map(node.pos, {**_entries(_at(root, section)), **patched}))
    return Map(root.pos, entries)


def _procedure(mine: Node, base: Node | None, places: Places) -> Node:
    """The default's procedure with these keys over it. Steps are in this one's order; an empty one is the default's."""
    theirs = _entries(_at(base, "steps"))
    steps = {
        name: theirs[name] if isinstance(step, Scalar) and step.value is None else (pos, step)
        for name, (pos, step) in _repeated(_entries(_at(mine, "steps")), places).items()
    }
    own = {key: entry for key, entry in _entries(mine).items() if key != "steps"}
    return Map(mine.pos, {**_entries(base), **own, "steps": (mine.pos, Map(mine.pos, steps))})


def _repeated(entries: Mapping[str, tuple[Pos, Node]], places: Places) -> dict[str, tuple[Pos, Node]]:
    """Entries whose ids have ``@EACH@`` or ``@CLUSTER@``, for each workload or platform. Neighbours stay together: all
    of one platform comes before the next, and there each undo is begun before any is waited for."""
    found: dict[str, tuple[Pos, Node]] = {}
    for repeated, group in groupby(entries.items(), key=lambda entry: _REPEATED.search(entry[0]) is not None):
        if not repeated:
            found.update(group)
            continue
        kept = list(group)
        for place, (platform, names) in enumerate(places.items()):
            for entry_id, (pos, node) in kept:
                for number, name in enumerate(names if EACH in entry_id else names[:1]):
                    parts = [platform] * (place > 0) + [name] * (number > 0)
                    own = _REPEATED.sub("".join(f"-{_id(part)}" for part in parts), entry_id)
                    where = f" in {platform}" if len(places) > 1 else ""
                    digest = "${target.digest}" if number == 0 else ""
                    tokens = {"@CLUSTER@": platform, "@WORKLOAD@": name, "@WHERE@": where, "@DIGEST@": digest}
                    own = own if own not in found else f"{own}-{place}-{number}"
                    found[own] = (pos, _named(node, tokens))
    return found


def _id(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _named(node: Node, tokens: Mapping[str, str]) -> Node:
    if isinstance(node, Map):
        return Map(node.pos, {key: (pos, _named(value, tokens)) for key, (pos, value) in node.entries.items()})
    if isinstance(node, Seq):
        return Seq(node.pos, tuple(_named(item, tokens) for item in node.items))
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Scalar(node.pos, _TOKEN.sub(lambda found: tokens.get(found[0], found[0]), node.value), node.block)
    return node
