"""Which drill is meant: on the lab, or on a cluster that a runbook marks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from warroom.errors import BadInput, WarroomError

Drills = tuple[Callable[..., Any], Callable[..., Any]]
"""Headless (folder, say), and with a console (folder, sit, say)."""


def choose(
    scenario: str, file: Path | None, on: str, image: str, kubeconfig: Path | None, fault_in_target: bool
) -> Drills:
    """Raises WarroomError where what was given belongs to another drill."""
    from warroom.drills.scenarios import scenario as known

    chosen = known(scenario)
    if on:
        return _on_cluster(on, file or Path("warroom.yaml"), image, kubeconfig, fault_in_target)
    if image or kubeconfig is not None:
        raise BadInput("--image and --kubeconfig are for a drill on a cluster", "no --on was given", "--on kubernetes")
    if file is not None:
        _drills_only(file)
    if fault_in_target and chosen.backups:
        why = "the database that is restored has the schema that its release knows"
        raise BadInput(f"--fault-in-target is not for {scenario}", why, "leave it out")
    from warroom.drills.drill import attended, headless

    more: dict[str, Any] = {"fault_in_target": fault_in_target}
    return partial(headless, scenario, **more), partial(attended, scenario, **more)


def _on_cluster(on: str, file: Path, image: str, kubeconfig: Path | None, fault_in_target: bool) -> Drills:
    if on != "kubernetes":
        raise BadInput(f"There are no drills on {on!r}", "kubernetes was expected", "")
    if fault_in_target:
        raise BadInput("--fault-in-target is for the lab", "", "leave it out")
    if not image or image.startswith("-") or any(c.isspace() or not c.isprintable() for c in image):
        raise BadInput("A drill on a cluster needs an image", "one that runs there", "--image registry/name:tag")
    from warroom.drills.cluster import marked
    from warroom.drills.on_cluster import On, attended, headless
    from warroom.runbook import load

    marked(load(file).runbook, file, kubeconfig)  # that it may be practised on at all comes before how
    where = On(file, image, kubeconfig)
    return partial(headless, where), partial(attended, where)


def _drills_only(file: Path) -> None:
    """A drill has a lab and a runbook of its own; one that names production must not even be looked at as a drill's."""
    from warroom.runbook import load

    kind = load(file).runbook.environment.kind
    if kind != "drill":
        raise WarroomError("Drills and the autopilot are for drill environments", f"{file} says {kind}", "leave out -f")
    raise WarroomError("A drill writes its own runbook", "the lab's addresses change each time", "leave out -f")
