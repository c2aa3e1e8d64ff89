"""Container logs: kept for the running and the one previous container, read as pods/NAME/log gives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.kube import clock
from tests.kube.errors import ApiError
from tests.kube.store import Obj


@dataclass
class Log:
    lines: list[tuple[str, str]] = field(default_factory=list)
    """(time stamp, text)."""

    ended: bool = False
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, *texts: str) -> None:
        self.lines += [(clock.nanos(), text) for text in texts]
        self._tell()

    def end(self) -> None:
        self.ended = True
        self._tell()

    def _tell(self) -> None:
        self.grown.set()
        self.grown = asyncio.Event()


@dataclass
class Kept:
    now: Log | None = None
    before: Log | None = None


class Logs:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}

    def start(self, uid: str, container: str) -> Log:
        kept = self._kept.setdefault((uid, container), Kept())
        if kept.now:
            kept.now.end()
            kept.before = kept.now
        kept.now = Log()
        return kept.now

    def current(self, uid: str, container: str) -> Log | None:
        return self._kept.get((uid, container), Kept()).now

    def forget(self, uid: str) -> None:
        for key in [key for key in self._kept if key[0] == uid]:
            if log := self._kept[key].now:
                log.end()
            del self._kept[key]

    def read(self, pod: Obj, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """ApiError at once where there is nothing to read."""
        name = pod["metadata"]["name"]
        names = [one["name"] for one in pod["spec"]["containers"]]
        container = query.get("container", "")
        if not container and len(names) > 1:
            raise ApiError(
                400, f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
            )
        container = container or names[0]
        if container not in names:
            raise ApiError(400, f"container {container} is not valid for pod {name}")
        kept = self._kept.get((pod["metadata"]["uid"], container), Kept())
        previous = query.get("previous") in ("true", "1")
        log = kept.before if previous else kept.now
        if log is None and previous:
            raise ApiError(400, f'previous terminated container "{container}" in pod "{name}" not found')
        if log is None and _runs(pod, container):  # one of those that were there from the beginning
            log = self.start(pod["metadata"]["uid"], container)
        if log is None:
            raise ApiError(400, _waiting(pod, container))
        follow = query.get("follow") in ("true", "1") and not previous
        return _lines(log, _chosen(log, query), follow, query)


def _runs(pod: Obj, container: str) -> bool:
    found = pod["status"].get("containerStatuses", [])
    return any(one["name"] == container and "running" in one["state"] for one in found)


def _waiting(pod: Obj, container: str) -> str:
    name = pod["metadata"]["name"]
    if not pod["spec"].get("nodeName"):
        return f"pod {name} does not have a host assigned"
    found = [one for one in pod["status"].get("containerStatuses", []) if one["name"] == container]
    reason = found[0]["state"].get("waiting", {}).get("reason", "ContainerCreating") if found else "ContainerCreating"
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        return f'container "{container}" in pod "{name}" is waiting to start: trying and failing to pull image'
    return f'container "{container}" in pod "{name}" is waiting to start: {reason}'


def _chosen(log: Log, query: Mapping[str, str]) -> int:
    """The first line to give, by time and by number."""
    first = 0
    after = None
    if text := query.get("sinceTime"):
        after = datetime.fromisoformat(text.replace("Z", "+00:00"))
    elif text := query.get("sinceSeconds"):
        after = clock.now() - timedelta(seconds=int(text))
    if after:
        times = [datetime.fromisoformat(stamp[:26] + "+00:00") for stamp, _ in log.lines]
        first = next((place for place, time in enumerate(times) if time >= after), len(times))
    if (tail := query.get("tailLines")) is not None:
        if not tail.isdigit():
            raise ApiError(422, f'PodLogOptions "" is invalid: tailLines: Invalid value: {tail}', "Invalid")
        first = max(first, len(log.lines) - int(tail))
    return first


async def _lines(log: Log, place: int, follow: bool, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    stamped = query.get("timestamps") in ("true", "1")
    left = int(query["limitBytes"]) if "limitBytes" in query else None
    while True:
        grown, ended = log.grown, log.ended
        for stamp, text in log.lines[place:]:
            line = (f"{stamp} {text}\n" if stamped else f"{text}\n").encode()
            if left is not None:
                line, left = line[:left], left - len(line)
            place += 1
            yield line
            if left is not None and left <= 0:
                return
        if ended or not follow:
            return
        if place == len(log.lines):
            await grown.wait()
