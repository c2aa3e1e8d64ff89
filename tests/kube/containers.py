"""One container of a pod as the kubelet runs it: pulled, started, probed, ended, started again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.kube import clock
from tests.kube.levers import Behaviour, Levers
from tests.kube.logs import Log, Logs
from tests.kube.store import Obj

CREATE_S = 0.03
READY_S = 0.06
SLOW_S = 2.0
CRASH_S = 0.08
BACKOFF_S = (0.2, 4.0)
"""The first and the longest; a real kubelet's are 10 s and 300 s."""

PROBE_S = 0.5
NEVER = float("inf")

Say = Callable[[str, str, bool], None]
"""reason, message, whether a warning."""


def digest_of(image: str) -> str:
    name, _, given = image.partition("@")
    return given or f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def image_id(image: str, behaviour: Behaviour) -> str:
    name = image.partition("@")[0]
    head, _, last = name.rpartition("/")
    repository = "/".join(part for part in (head, last.partition(":")[0]) if part)
    first = repository.partition("/")[0]
    if not head:
        repository = f"docker.io/library/{repository}"
    elif "." not in first and ":" not in first and first != "localhost":
        repository = f"docker.io/{repository}"
    return f"{repository}@{behaviour.digest or digest_of(image)}"


@dataclass
class Container:
    uid: str
    spec: Obj
    levers: Levers
    logs: Logs
    say: Say
    waiting: str = "ContainerCreating"
    message: str = ""
    running: str = ""
    """Since when; "" while it does not."""

    terminated: Obj = field(default_factory=dict)
    last: Obj = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    image_id: str = ""
    id: str = ""
    due: float = 0.0
    next: str = "pull"
    misses: int = 0

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def image(self) -> str:
        return str(self.spec["image"])

    @property
    def log(self) -> Log | None:
        return self.logs.current(self.uid, self.name)

    def step(self, now: float) -> bool:
        """What is due; True when its status has changed."""
        if now < self.due:
            return False
        match self.next:
            case "pull":
                self._pull(now)
            case "ready":
                self._probe(now)
            case "crash":
                self.end(now, 1, "Error")
            case "unhealthy":
                self.say("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", True)
                self.due = now + PROBE_S
                return False
            case _:
                self.due = NEVER
                return False
        return True

    def _pull(self, now: float) -> None:
        behaviour = self.levers.behaviour(self.image)
        if behaviour.does == "no-such-image":
            self._unpulled(now)
            return
        self.image_id = image_id(self.image, behaviour)
        self.say("Pulled", f'Container image "{self.image}" already present on machine', False)
        self.id = f"containerd://{secrets.token_hex(32)}"
        self.say("Created", f"Created container: {self.name}", False)
        self.waiting, self.message, self.running, self.terminated = "", "", clock.seconds(), {}
        self.misses = 0
        log = self.logs.start(self.uid, self.name)
        self.say("Started", f"Started container {self.name}", False)
        usual = (f"starting {self.image}", "listening on :8080")
        if behaviour.does == "crashes":
            usual = (f"starting {self.image}", "FATAL: cannot start: DATABASE_URL is not set")
        log.add(*(usual if behaviour.lines is None else behaviour.lines))
        if behaviour.does == "crashes":
            self.next, self.due = "crash", now + CRASH_S
            self.ready = not self.spec.get("readinessProbe")
        elif not self.spec.get("readinessProbe"):
            self.ready, self.next, self.due = True, "", NEVER
        elif behaviour.does == "never-ready":
            self.ready, self.next, self.due = False, "unhealthy", now + READY_S
        else:
            delay = self.spec["readinessProbe"].get("initialDelaySeconds") or 0
            self.next, self.due = "ready", now + delay + (SLOW_S if behaviour.does == "slow" else READY_S)

    def _unpulled(self, now: float) -> None:
        why = f'failed to pull and unpack image "{self.image}": {self.image}: not found'
        first = self.waiting not in ("ErrImagePull", "ImagePullBackOff")
        if first or self.waiting == "ImagePullBackOff":
            self.say("Pulling", f'Pulling image "{self.image}"', False)
            self.say("Failed", f'Failed to pull image "{self.image}": rpc error: code = NotFound desc = {why}', True)
            self.say("Failed", "Error: ErrImagePull", True)
            self.waiting, self.message = "ErrImagePull", f"rpc error: code = NotFound desc = {why}"
            self.due = now + BACKOFF_S[0]
            return
        self.say("BackOff", f'Back-off pulling image "{self.image}"', False)
        self.say("Failed", "Error: ImagePullBackOff", True)
        self.waiting, self.message = "ImagePullBackOff", f'Back-off pulling image "{self.image}": ErrImagePull: {why}'
        self.misses += 1
        self.due = now + min(BACKOFF_S[0] * 2**self.misses, BACKOFF_S[1])

    def _probe(self, now: float) -> None:
        self.ready, self.next, self.due = True, "", NEVER

    def end(self, now: float, code: int, reason: str) -> None:
        """It stops by itself; the kubelet waits longer each time before it starts it again."""
        if not self.running:
            return
        finished = {"exitCode": code, "reason": reason, "startedAt": self.running, "finishedAt": clock.seconds()}
        self.last = {**finished, "containerID": self.id}
        if self.log:
            self.log.end()
        self.running, self.ready = "", False
        self.restarts += 1
        self.waiting = "CrashLoopBackOff"
        wait = min(BACKOFF_S[0] * 2 ** (self.restarts - 1), BACKOFF_S[1])
        self.message = f"back-off {wait * 50:g}s restarting failed container={self.name}"
        self.say("BackOff", f"Back-off restarting failed container {self.name}", True)
        self.next, self.due = "pull", now + wait

    def status(self) -> Obj:
        state: Obj
        if self.running:
            state = {"running": {"startedAt": self.running}}
        else:
            state = {"waiting": {"reason": self.waiting} | ({"message": self.message} if self.message else {})}
        return {
            "name": self.name,
            "state": state,
            "lastState": {"terminated": self.last} if self.last else {},
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": self.image_id,
            "started": bool(self.running),
        } | ({"containerID": self.id} if self.id else {})
