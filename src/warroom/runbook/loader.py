"""From a file to a runbook that holds together, or to every mistake in it with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from warroom.model.runbook import Runbook
from warroom.runbook.cross import Cross, cross_check
from warroom.runbook.cross_automation import check_automation
from warroom.runbook.cross_freshness import check_freshness, settled
from warroom.runbook.cross_plugins import PluginSource, check_plugins
from warroom.runbook.cross_templates import check_templates
from warroom.runbook.cross_tree import check_tree
from warroom.runbook.merge import Merged, merge, split_extends
from warroom.runbook.nodes import Bad, Map, compose, described
from warroom.runbook.overlay import Overlaid, overlaid
from warroom.runbook.problems import Problem, RunbookInvalid, in_order
from warroom.runbook.shape import shape
from warroom.runbook.source import read_text
from warroom.runbook.yours import yours

DEFAULT_FILE = Path(__file__).with_name("default.yaml")
ALWAYS = ("format", "service", "environment")
"""What every file has to say for itself, also one that extends the default runbook."""


@dataclass(frozen=True)
class Loaded:
    """A runbook without mistakes. ``warnings`` are what may be meant so, and ``problems`` is empty."""

    runbook: Runbook
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def load(path: Path, plugins: PluginSource | None = None) -> Loaded:
    """The runbook in the file. Raises ``RunbookInvalid`` with every mistake found, in the order of the file.

    ``plugins`` are those installed, unless a test says otherwise.
    """
    file = str(path)
    return _load(read_text(path), file, plugins)


def default_runbook() -> Runbook:
    """The default runbook, which holds the whole of the procedures that warroom was made for."""
    return _default().runbook


def _load(text: str, file: str, plugins: PluginSource | None) -> Loaded:
    composed = compose(text, file)
    problems = list(composed.problems)
    if isinstance(composed.root, Bad):
        raise RunbookInvalid(file, problems)
    if not isinstance(composed.root, Map):
        found = Problem(composed.root.pos, described(composed.root), "a group of keys: format, service, environment …")
        raise RunbookInvalid(file, [*problems, found])
    own, extends, wrong = split_extends(composed.root)
    problems += wrong
    base = overlaid(own, yours(own, _default_root())) if extends else Overlaid(_default_root(), {})
    merged = merge(own, base.root) if extends else Merged(own, extends=False)
    problems += merged.problems
    if extends:
        problems += _unsaid(own)
    shaped = shape(merged.root, base.root)
    problems += shaped.problems
    cross: Cross | None = None
    if shaped.runbook is not None:
        cross = Cross(shaped.runbook, shaped.root, merged.root, str(DEFAULT_FILE), merged.removed)
        cross_check(cross)
        if cross.intact("tree"):
            check_tree(cross)
        check_templates(cross)
        check_plugins(cross, plugins or installed())
        check_freshness(cross)
        check_automation(cross)
        problems += cross.problems
    if problems or cross is None:
        raise RunbookInvalid(file, in_order(problems, file))
    return Loaded(settled(cross), warnings=tuple(in_order([*base.warnings, *cross.warnings], file)))


def _unsaid(own: Map) -> Iterator[Problem]:
    for name in ALWAYS:
        if name not in own.entries:
            yield Problem(own.pos, f'no "{name}"', "one: the default runbook can't know it")


@cache
def _default_root() -> Map:
    root = compose(DEFAULT_FILE.read_text(encoding="utf-8"), str(DEFAULT_FILE)).root
    assert isinstance(root, Map)
    return root


@cache
def _default() -> Loaded:
    return _load(DEFAULT_FILE.read_text(encoding="utf-8"), str(DEFAULT_FILE), None)


def installed() -> PluginSource:
    from warroom import plugins

    return plugins
