"""The logs of many containers into files: a few at a time, bounded, the troubled ones first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warroom.api import Folder, WarroomError
from warroom_kubernetes.objects.fields import is_ready
from warroom_kubernetes.reach.asking import ApiRefused, Cluster
from warroom_kubernetes.reach.paths import path

AT_ONCE = 8
MOST_LOGS = 1000
"""Of those that were not read the last file tells how many there are."""
MOST_LINES = 500_000
"""Of one log, the newest; where there were more, the file's end says so."""
SILENCE_S = 30.0
_BLOCK = 2**18


@dataclass(frozen=True)
class Log:
    """``previous``: of the run before the one that is there now."""

    namespace: str
    pod: str
    container: str
    previous: bool = False

    @property
    def file(self) -> str:
        return f"{self.pod}_{self.container}{'.previous' if self.previous else ''}.log"


def wanted(pods: Sequence[Mapping[str, Any]]) -> list[Log]:
    """Pods that are not ready first, then the youngest: where there are too many, others are left out."""
    newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""), reverse=True)
    return [log for pod in sorted(newest, key=is_ready) for log in _of_pod(pod)]


def _of_pod(pod: Mapping[str, Any]) -> Iterator[Log]:
    head, status, spec = pod["metadata"], pod.get("status") or {}, pod.get("spec") or {}
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        told = {one.get("name"): one for one in status.get(f"{kind[:-1]}Statuses") or ()}
        for one in spec.get(kind) or ():
            log = Log(str(head["namespace"]), str(head["name"]), str(one["name"]))
            yield log
            if (told.get(one["name"]) or {}).get("restartCount"):
                yield Log(log.namespace, log.pod, log.container, previous=True)


async def collect(api: Cluster, pods: Sequence[Mapping[str, Any]], unread: Mapping[str, str], folder: Folder) -> None:
    logs = wanted(pods)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(log: Log) -> WarroomError | None:
        async with gate:
            return await _log(api, log, folder)

    problems = await asyncio.gather(*(one(log) for log in logs[:MOST_LOGS]))
    await folder.write("logs.txt", "".join(_about(logs, problems, unread)).encode(), kind="logs")
    failed = [error for error in problems if error is not None and not _none_yet(error)]
    if failed and len(failed) == len(problems):
        raise failed[0]


def _about(logs: Sequence[Log], problems: Sequence[WarroomError | None], unread: Mapping[str, str]) -> Iterator[str]:
    yield f"{len(problems)} logs of {len({log.pod for log in logs})} pods\n"
    if len(logs) > MOST_LOGS:
        yield f"{len(logs) - MOST_LOGS} more were not read: pods that are not ready came first, then the youngest\n"
    for log, error in zip(logs, problems, strict=False):
        if error is not None:
            yield f"{log.file}: {error}\n"
    for key, why in unread.items():
        yield f"nothing of {key}: {why}\n"


def _none_yet(error: WarroomError) -> bool:
    """A container that has not begun has no log, and one that was cleared away has none of before."""
    return isinstance(error, ApiRefused) and error.status in (400, 404)


async def _log(api: Cluster, log: Log, folder: Folder) -> WarroomError | None:
    query: dict[str, Any] = {"container": log.container, "timestamps": "true", "tailLines": MOST_LINES}
    if log.previous:
        query["previous"] = "true"
    of = path("v1", "pods", namespace=log.namespace, name=log.pod, sub="log")
    async with folder.file(log.file, kind="logs") as part:
        try:
            stream: Any = api.stream(of, query, silence=SILENCE_S)
            async with contextlib.aclosing(stream) as lines:
                await _written(part, lines)
        except WarroomError as error:
            with part.open("a", encoding="utf-8") as file:
                file.write(f"warroom: this log can't be read to its end: {error}\n")
            return error
    return None


async def _written(part: Path, lines: Any) -> None:
    block: list[str] = []
    size = count = 0
    with part.open("w", encoding="utf-8") as file:
        async for line in lines:
            block.append(line.decode("utf-8", "replace").replace("\0", "\N{SYMBOL FOR NULL}") + "\n")
            size, count = size + len(line), count + 1
            if size >= _BLOCK:
                file.writelines(block)
                size = 0
                block.clear()
                await asyncio.sleep(0)
        if count >= MOST_LINES:
            block.append(f"warroom: these are its newest {MOST_LINES} lines; older ones are not here\n")
        file.writelines(block)
