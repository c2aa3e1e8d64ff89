"""``extends: default``: a file's own sections over those of the default runbook, each value still knowing its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from warroom.runbook.nodes import Map, Node, Scalar, described
from warroom.runbook.problems import Pos, Problem, meant, one_of

KEYED = (
    "platforms",
    "signals",
    "components",
    "triggers",
    "checklists",
    "procedures",
    "verification",
    "templates",
    "contacts",
    "channels",
    "active_probes",
    "drill_windows",
)
"""Sections that are merged key by key: an entry replaces an entry whole, and an empty one takes it out.

Everything else (scalars, lists, ``environment``, ``tree``, ``post_mortem``) replaces the default's whole.
"""

BASES = ("default",)


@dataclass(frozen=True)
class Merged:
    """``removed`` are the default's entries that the file takes out, by (section, id), with the place where it does."""

    root: Map
    extends: bool
    problems: list[Problem] = field(default_factory=list)
    removed: dict[tuple[str, str], Pos] = field(default_factory=dict)


def split_extends(root: Map) -> tuple[Map, bool, list[Problem]]:
    """The document without its ``extends``, and whether it asks for the default runbook."""
    if "extends" not in root.entries:
        return root, False, []
    _, node = root.entries["extends"]
    rest = Map(root.pos, {key: entry for key, entry in root.entries.items() if key != "extends"})
    if isinstance(node, Scalar) and node.value in BASES:
        return rest, True, []
    # Taken as extending all the same: else every section that is not there would be told as missing too.
    return rest, True, [Problem(node.pos, described(node), one_of(BASES))]


def merge(mine: Map, default: Map) -> Merged:
    """``mine`` over ``default``. The order is the default's, new entries after it."""
    merged = Merged(Map(mine.pos, dict(default.entries)), extends=True)
    for key, (pos, node) in mine.entries.items():
        base = default.entries.get(key)
        if key in KEYED and base is not None and isinstance(node, Map) and isinstance(base[1], Map):
            merged.root.entries[key] = (pos, _section(key, node, base[1], merged))
        elif key in KEYED and _empty(node) and base is not None:
            merged.problems.append(Problem(node.pos, "nothing", f"entries of {key}, or no {key} at all"))
        else:
            merged.root.entries[key] = (pos, node)
    return merged


def _section(section: str, mine: Map, default: Map, merged: Merged) -> Map:
    entries = dict(default.entries)
    for key, (pos, node) in mine.entries.items():
        if not _empty(node):
            entries[key] = (pos, node)
        elif key in default.entries:
            del entries[key]
            merged.removed[section, key] = pos
        else:
            known = one_of(default.entries)
            hint = meant(key, default.entries)
            merged.problems.append(Problem(pos, "nothing", f"an entry, or the name of a default one: {known}", hint))
    return Map(mine.pos, entries)


def _empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
