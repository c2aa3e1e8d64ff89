"""The Calls that change a project: `docker compose …` lines as people would paste them, and its override file.

``compose`` is the beginning of such a line (``Project.argv``), ``docker`` that of a plain one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warroom.model.call import Call, ProcessCall

SLACK = 60.0
"""Seconds beyond what a command was told to wait: for stopping what runs, for a busy engine, for a far one."""

MOMENTS = ("die", "start", "health_status", "destroy")
MOMENT = (
    '{{.TimeNano}} {{.ID}} {{index .Actor.Attributes "com.docker.compose.service"}} {{.Action}}'
    ' {{index .Actor.Attributes "com.docker.compose.image"}}'
)
"""One event in a line: nanoseconds, the container, its service, what happened (may be two words), its image."""


def up(
    compose: Sequence[str],
    services: Sequence[str],
    *,
    wait_s: float,
    waits: bool = True,
    replicas: Mapping[str, int] | None = None,
    recreate: bool = True,
) -> Call:
    """Brings these services up by their definition, from images that are there, and nothing but these.

    ``waits`` False is for services whose healthcheck is disabled: Compose calls waiting for one of these an error.
    """
    words = ["up", "-d", "--no-deps", "--no-build", "--pull", "never"]
    words += [] if recreate else ["--no-recreate"]
    words += ["--wait", "--wait-timeout", str(max(1, round(wait_s)))] if waits else []
    for service, count in (replicas or {}).items():
        words += ["--scale", f"{service}={count}"]
    return ProcessCall(argv=(*compose, *words, *services), timeout_s=wait_s + SLACK)


def stop(compose: Sequence[str], services: Sequence[str], grace_s: float | None = None) -> Call:
    """``grace_s`` seconds between asking and killing; None: the definition's own."""
    grace = () if grace_s is None else ("-t", str(round(grace_s)))
    return ProcessCall(argv=(*compose, "stop", *grace, *services), timeout_s=(grace_s or 0) + SLACK * 2)


def plain(compose: Sequence[str], *words: str, timeout_s: float = SLACK * 2) -> Call:
    return ProcessCall(argv=(*compose, *words), timeout_s=timeout_s)


def write(path: str, text: str) -> tuple[Call, ...]:
    """Whole or not at all, and for its owner alone: written beside it and renamed."""
    part = f"{path}.part"
    return (
        ProcessCall(argv=("install", "-D", "-m", "600", "/dev/stdin", part), stdin=text, timeout_s=20),
        ProcessCall(argv=("mv", "-f", "-T", part, path), timeout_s=20),
    )


def remove(path: str) -> tuple[Call, ...]:
    return (ProcessCall(argv=("rm", "-f", "--", path), timeout_s=20),)


def moments(docker: Sequence[str], project: str, since: float, ahead_s: float) -> Call:
    """What the engine saw of the project's containers since then, by its own clock: it only looks.

    ``since`` is in seconds since 1970 by the engine's clock, which is ``ahead_s`` ahead of this machine's.
    """
    words = ["events", "--since", f"{since:.3f}", f"--until={-(ahead_s + 0.05) * 1000:.0f}ms", "--filter"]
    words += ["type=container", "--filter", f"label=com.docker.compose.project={project}"]
    for moment in MOMENTS:
        words += ["--filter", f"event={moment}"]
    return ProcessCall(argv=(*docker, *words, "--format", MOMENT), timeout_s=SLACK)
