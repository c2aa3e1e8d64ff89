"""What the default runbook does by itself on a platform that the file names: laid over it before the file's own.

There is one for Docker Compose (``compose.yaml``) and one for Kubernetes (``kubernetes.yaml``). A procedure keeps its
words and its place; the steps that stand in the overlay take the place of those that a person does, in the overlay's
order. Where a file has both, what either could do (stopping writes) is done on the one that it names first.

The one for PostgreSQL (``postgres.yaml``) lies over all of that: it changes single steps, and leaves those that stop
and start the application to whoever does them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from warroom.runbook.nodes import Map, Node, Scalar, Seq, compose
from warroom.runbook.problems import Pos, Problem

COMPOSE_FILE = Path(__file__).with_name("compose.yaml")
KUBERNETES_FILE = Path(__file__).with_name("kubernetes.yaml")
POSTGRES_FILE = Path(__file__).with_name("postgres.yaml")
EACH, SCALED, FIRST, ORDERED = "@EACH@", "@SCALED@", "@FIRST@", "@ORDERED@"
_REPEATED = re.compile("@EACH@|@CLUSTER@|@SCALED@|@FIRST@|@ORDERED@")
_TOKEN = re.compile("@[A-Z]+@")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class _Kind:
    """One overlay: which plugin it is for, what its configuration lists, and how people call these.

    ``several``: its steps are for each platform, one after the other, so that the first that fails ends the run.
    ``patches``: it changes single steps of what lies below, once the configuration has what it needs (``listed``).
    """

    plugin: str
    file: Path
    listed: str
    named: str
    option: str
    several: bool = False
    patches: bool = False


_KINDS = (
    _Kind("compose", COMPOSE_FILE, "services", "Compose projects", "Option B"),
    _Kind("kubernetes", KUBERNETES_FILE, "workloads", "Kubernetes clusters", "Option C", several=True),
    _Kind("postgres", POSTGRES_FILE, "backups", "databases", "what restores a database", patches=True),
)
Places = Mapping[str, list[str]]
"""What is rolled back together, the release first, by platform in the file's order."""


@dataclass(frozen=True)
class _Repeats:
    """What entries with one of ``_REPEATED`` in their ids stand for: a workload, or a platform, each."""

    places: Places
    scaled: Places
    ordered: Places

    def of(self, entries: Mapping[str, tuple[Pos, Node]]) -> dict[str, tuple[Pos, Node]]:
        """For each workload or platform. Neighbours stay together: all of one platform comes before the next, and there
        each undo is begun before any is waited for. Only what has to come first does so in every platform."""
        found: dict[str, tuple[Pos, Node]] = {}
        for kind, group in groupby(entries.items(), key=lambda entry: _together(entry[0])):
            kept = list(group)
            if not kind:
                found.update(kept)
                continue
            for place, platform in enumerate(self.places):
                for entry_id, (pos, node) in kept:
                    self._put(found, place, platform, entry_id, pos, node)
            for entry_id, (pos, node) in kept:
                if SCALED in entry_id and not any(self.scaled.values()):
                    found[entry_id.replace(SCALED, "")] = (pos, Scalar(node.pos, None))
        return found

    def _put(
        self, found: dict[str, tuple[Pos, Node]], place: int, platform: str, entry_id: str, pos: Pos, node: Node
    ) -> None:
        released = self.places[platform]
        known = {EACH: released, SCALED: self.scaled[platform], ORDERED: self.ordered[platform]}
        names = next((names for token, names in known.items() if token in entry_id), released[:1])
        for number, name in enumerate(names):
            parts = [platform] * (place > 0) + [name] * (number > 0)
            own = _REPEATED.sub("".join(f"-{_id(part)}" for part in parts), entry_id)
            where = f" in {platform}" if len(self.places) > 1 else ""
            digest, version = ("${target.digest}", "${target.version}") if number == 0 else ("", "")
            tokens = {"@CLUSTER@": platform, "@WORKLOAD@": name, "@WHERE@": where}
            tokens |= {"@DIGEST@": digest, "@VERSION@": version}
            own = own if own not in found else f"{own}-{place}-{number}"
            tokens["@ID@"] = own
            found[own] = (pos, _named(node, tokens))


def _together(entry_id: str) -> str:
    """Which neighbours are repeated together."""
    seen = _REPEATED.search(entry_id)
    return "" if seen is None else FIRST if seen[0] == FIRST else EACH


@dataclass(frozen=True)
class Overlaid:
    """``places`` are the platforms that it is made for, by plugin; ``warnings`` say where there could have been one."""

    root: Map
    places: Mapping[str, Places]
    warnings: tuple[Problem, ...] = ()


def overlaid(own: Map, default: Map) -> Overlaid:
    """``default`` with what it does on the file's platforms; as it is where the file names none."""
    chosen: dict[str, Places] = {}
    repeats: dict[str, _Repeats] = {}
    warnings: list[Problem] = []
    for kind in _KINDS:
        named = list(_platforms(own, kind.plugin))
        if kind.patches:
            named = [each for each in named if isinstance(_at(each[2], kind.listed), Map)]
        one = [each for each in named if each[0] == kind.plugin] or named
        if len(one) > 1 and not kind.several:
            warnings.append(_which(kind, named[0][1], [name for name, _, _ in named]))
            continue
        wanted = named if kind.several else one
        places = {name: [name] if kind.patches else released(config, kind.listed) for name, _, config in wanted}
        if places and all(places.values()):  # else the plugin says what is wrong with its configuration
            chosen[kind.plugin] = places
            mine = [(name, config) for name, _, config in named if name in places]
            repeats[kind.plugin] = _Repeats(
                places,
                {name: _scaled(config, kind.listed) for name, config in mine},
                {name: _ordered(config, kind.listed) for name, config in mine},
            )
    root = default
    order = list(_entries(_at(own, "platforms")))
    kinds = [kind for kind in _KINDS if kind.plugin in chosen]

    laid = frozenset(chosen)

    def first_named_last(kind: _Kind) -> tuple[bool, int]:
        return kind.patches, -order.index(next(iter(chosen[kind.plugin])))

    for kind in sorted(kinds, key=first_named_last):
        read = _read(kind, chosen[kind.plugin])
        root = _patched(read, root, laid) if kind.patches else _over(read, root, default, repeats[kind.plugin])
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


def _ordered(config: Node, listed: str) -> list[str]:
    """Those of ``released`` that are StatefulSets: one of these may wait for a pod that somebody has to delete."""
    entries = _entries(_at(config, listed))
    kinds = {name: _at(entries[name][1], "kind") for name in released(config, listed)}
    return [name for name, kind in kinds.items() if isinstance(kind, Scalar) and kind.value == "StatefulSet"]


def _scaled(config: Node, listed: str) -> list[str]:
    """Those whose autoscaler's manifest is named."""
    services = _entries(_at(config, listed))
    return [name for name, (_, one) in services.items() if _at(one, "autoscaler") is not None and _NAME.fullmatch(name)]


def _at(node: Node | None, key: str) -> Node | None:
    return node.entries[key][1] if isinstance(node, Map) and key in node.entries else None


def _entries(node: Node | None) -> dict[str, tuple[Pos, Node]]:
    return node.entries if isinstance(node, Map) else {}


def _over(overlay: Map, root: Map, default: Map, repeats: _Repeats) -> Map:
    """``overlay`` over ``root``; what it leaves as it is, is ``default``'s."""
    entries = dict(root.entries)
    for section, (pos, node) in overlay.entries.items():
        theirs = _at(default, section)
        patched = {
            name: (at, _procedure(each, _at(theirs, name), repeats) if section == "procedures" else each)
            for name, (at, each) in repeats.of(_entries(node)).items()
        }
        entries[section] = (pos, Map(node.pos, {**_entries(_at(root, section)), **patched}))
    return Map(root.pos, entries)


def _procedure(mine: Node, base: Node | None, repeats: _Repeats) -> Node:
    """The default's procedure with these keys over it. Steps are in this one's order; an empty one is the default's."""
    theirs = _entries(_at(base, "steps"))
    steps = {
        name: theirs[name] if isinstance(step, Scalar) and step.value is None else (pos, step)
        for name, (pos, step) in repeats.of(_entries(_at(mine, "steps"))).items()
    }
    own = {key: entry for key, entry in _entries(mine).items() if key != "steps"}
    return Map(mine.pos, {**_entries(base), **own, "steps": (mine.pos, Map(mine.pos, steps))})


def _patched(patch: Map, root: Map, laid: Collection[str]) -> Map:
    """``root`` with each entry of ``patch``: a procedure that is there is changed, all else is put in whole.

    One that says ``over`` is for where the overlay of that plugin is among those ``laid``.
    """
    entries = dict(root.entries)
    for section, (pos, node) in patch.entries.items():
        theirs = _entries(_at(root, section))
        mine = {
            name: (at, _changed(each, theirs[name][1]) if section == "procedures" and name in theirs else each)
            for name, (at, each) in _entries(node).items()
            if not isinstance(over := _at(each, "over"), Scalar) or over.value in laid
        }
        entries[section] = (pos, Map(node.pos, {**theirs, **mine}))
    return Map(root.pos, entries)


def _changed(mine: Node, base: Node) -> Map:
    """A procedure with these keys over its own, what it needs beside what it needed, and its steps changed."""
    own = {key: entry for key, entry in _entries(mine).items() if key != "over"}
    if isinstance(needs := _at(mine, "needs"), Seq) and isinstance(before := _at(base, "needs"), Seq):
        own["needs"] = (needs.pos, Seq(needs.pos, (*before.items, *needs.items)))
    steps = _changed_steps(_entries(_at(mine, "steps")), _entries(_at(base, "steps")))
    return Map(mine.pos, {**_entries(base), **own, "steps": (mine.pos, Map(mine.pos, steps))})


def _changed_steps(
    patch: Mapping[str, tuple[Pos, Node]], base: Mapping[str, tuple[Pos, Node]]
) -> dict[str, tuple[Pos, Node]]:
    """Each in its place. An empty one takes it out, one that does something takes its place, any other puts its keys
    over its own; ``NAME*`` is every step whose id begins so."""
    steps = dict(base)
    for name, (pos, step) in patch.items():
        for found in [each for each in base if each == name or (name[-1] == "*" and each.startswith(name[:-1]))]:
            if isinstance(step, Scalar) and step.value is None:
                del steps[found]
            elif _at(step, "op") is not None or _at(step, "manual") is not None:
                steps[found] = (pos, step)
            else:
                before = steps[found]
                steps[found] = (before[0], Map(before[1].pos, {**_entries(before[1]), **_entries(step)}))
    return steps


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
