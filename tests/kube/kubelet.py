"""Scheduler and kubelet: pods are placed on nodes, their containers run, and they end with grace."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from tests.kube import clock
from tests.kube.api import Api, Write
from tests.kube.containers import NEVER, Container
from tests.kube.errors import ApiError
from tests.kube.events import Events
from tests.kube.levers import Levers
from tests.kube.logs import Logs
from tests.kube.quantities import cpu_of
from tests.kube.resources import Resource, resource
from tests.kube.selectors import by_selector
from tests.kube.store import Change, Obj

PODS = resource("", "pods")
NODES = ("node-1", "node-2", "node-3")
NODE_CPU = 64.0
SCHEDULE_S = 0.01
STOP_S = 0.05
"""How long a container takes to end after it was asked to."""

HELD_S = 0.05


class Run:
    """One pod, from its creation to its end."""

    def __init__(self, kubelet: Kubelet, pod: Obj) -> None:
        self.kubelet, self.uid = kubelet, pod["metadata"]["uid"]
        self.space, self.name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.woken = asyncio.Event()
        self.containers = [
            Container(self.uid, spec, kubelet.levers, kubelet.logs, self._say) for spec in pod["spec"]["containers"]
        ]
        self.started = pod["status"].get("startTime", "")
        self.ip = pod["status"].get("podIP", "")
        self.stopping = 0.0

    def pod(self) -> Obj | None:
        found = self.kubelet.api.store.get(PODS.key, self.space, self.name)
        return found if found and found["metadata"]["uid"] == self.uid else None

    def _say(self, reason: str, message: str, warning: bool, source: str = "kubelet") -> None:
        if pod := self.pod():
            self.kubelet.events.say(pod, reason, message, source, warning)

    async def live(self) -> None:
        while (pod := self.pod()) is not None:
            wait = HELD_S if "kubelet" in self.kubelet.levers.held else self._step(pod)
            self.woken.clear()
            try:
                async with asyncio.timeout(None if wait == NEVER else max(wait, 0.001)):
                    await self.woken.wait()
            except TimeoutError:
                continue

    def _step(self, pod: Obj) -> float:
        """What is due now; the seconds until the next."""
        now = asyncio.get_running_loop().time()
        if pod["metadata"].get("deletionTimestamp") and pod["spec"].get("nodeName"):
            return self._stop(pod, now)
        if not pod["spec"].get("nodeName"):
            return self._schedule(pod)
        if not self.started:
            self.started = clock.seconds()
            self.ip = self.kubelet.address()
            for container in self.containers:
                container.due = now + 0.03
            self.write(pod)
        for container, spec in zip(self.containers, pod["spec"]["containers"], strict=True):
            if container.spec["image"] != spec["image"]:
                container.spec = spec
                container.end(now, 0, "Completed")
        changed = [container.step(now) for container in self.containers]
        if any(changed):
            self.write(pod)
        return min(container.due for container in self.containers) - now

    def _schedule(self, pod: Obj) -> float:
        if why := _unschedulable(pod):
            told = pod["status"].get("conditions")
            if not told:
                stamp = clock.seconds()
                condition: Obj = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
                condition |= {"lastProbeTime": None, "lastTransitionTime": stamp}
                self.kubelet.api.set_status("pods", pod, {**pod["status"], "conditions": [condition]}, group="")
                self.kubelet.events.say(pod, "FailedScheduling", why, "default-scheduler", True)
            return NEVER
        node = pod["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname") or next(self.kubelet.turns)
        spec = {**pod["spec"], "nodeName": node}
        bound = self.kubelet.api.store.put(PODS.key, {**pod, "spec": spec})
        message = f"Successfully assigned {self.space}/{self.name} to {node}"
        self.kubelet.events.say(bound, "Scheduled", message, "default-scheduler")
        return SCHEDULE_S

    def _stop(self, pod: Obj, now: float) -> float:
        if not self.stopping:
            self.stopping = now + min(STOP_S, pod["metadata"].get("deletionGracePeriodSeconds", 0))
            for container in self.containers:
                if container.running:
                    self._say("Killing", f"Stopping container {container.name}", False)
        if now < self.stopping:
            return self.stopping - now
        if any(container.running for container in self.containers):
            for container in self.containers:
                container.running, container.ready, container.waiting = "", False, "ContainerCreating"
                if container.log:
                    container.log.add("got SIGTERM: stopping")
                    container.log.end()
            self.write(pod)
        self.kubelet.api.remove(PODS, pod)
        return NEVER

    def write(self, pod: Obj) -> None:
        statuses = [container.status() for container in self.containers]
        ready = all(container.ready for container in self.containers)
        before = {one["type"]: one for one in pod["status"].get("conditions", [])}
        unready = [container.name for container in self.containers if not container.ready]
        why = {} if ready else {"reason": "ContainersNotReady", "message": f"containers with unready status: {unready}"}
        conditions = []
        for kind, holds, more in (
            ("PodReadyToStartContainers", True, {}),
            ("Initialized", True, {}),
            ("Ready", ready, why),
            ("ContainersReady", ready, why),
            ("PodScheduled", True, {}),
        ):
            condition = {"type": kind, "status": str(holds), "lastProbeTime": None, **more}
            old = before.get(kind, {})
            same = old.get("status") == condition["status"]
            conditions.append(
                {**condition, "lastTransitionTime": old["lastTransitionTime"] if same else clock.seconds()}
            )
        running = all(container.running or container.restarts for container in self.containers)
        status = {
            "phase": "Running" if running else "Pending",
            "conditions": conditions,
            "hostIP": "10.0.0.1",
            "podIP": self.ip,
            "podIPs": [{"ip": self.ip}],
            "startTime": self.started,
            "containerStatuses": statuses,
            "qosClass": "BestEffort",
        }
        self.kubelet.api.set_status("pods", pod, status, group="")


class Kubelet:
    def __init__(self, api: Api, levers: Levers) -> None:
        self.api, self.levers, self.logs = api, levers, Logs()
        self.events = Events(api)
        self.turns = itertools.cycle(NODES)
        self._numbers = itertools.count(1)
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        api.store.listeners.append(self._changed)

    def address(self) -> str:
        number = next(self._numbers)
        return f"10.{42 + number // 65000}.{number // 250 % 250}.{number % 250 + 1}"

    def _changed(self, change: Change) -> None:
        if change.key != PODS.key:
            return
        uid, pod = change.now.obj["metadata"]["uid"], change.now.obj
        if change.kind == "DELETED":
            if found := self._runs.pop(uid, None):
                found.woken.set()
            self.logs.forget(uid)
            return
        if change.kind == "MODIFIED" and uid in self._runs:
            self._runs[uid].woken.set()
        elif uid not in self._runs and self._mine(pod):
            run = Run(self, pod)
            task = asyncio.get_running_loop().create_task(run.live())
            self._runs[uid] = run
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _mine(self, pod: Obj) -> bool:
        """Pods that were put there as already running get nobody of their own until they are to end."""
        return pod["status"].get("phase") == "Pending" or bool(pod["metadata"].get("deletionTimestamp"))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler({"message": "a pod's task failed", "exception": error})

    def wake(self) -> None:
        for run in self._runs.values():
            run.woken.set()

    def container(self, space: str, name: str, container: str) -> Container | None:
        for run in self._runs.values():
            if (run.space, run.name) == (space, name):
                found = [one for one in run.containers if container in ("", one.name)]
                return found[0] if found else None
        return None

    def say(self, space: str, name: str, container: str, lines: list[str]) -> None:
        pod = self.api.read(PODS, space, name)
        container = container or pod["spec"]["containers"][0]["name"]
        uid = pod["metadata"]["uid"]
        log = self.logs.current(uid, container) or self.logs.start(uid, container)
        log.add(*lines)

    def crash(self, space: str, name: str, container: str, code: int) -> None:
        found = self.container(space, name, container)
        if found is None:
            raise ApiError(404, f"no container of {space}/{name} runs")
        found.end(asyncio.get_running_loop().time(), code, "OOMKilled" if code == 137 else "Error")
        run = self._runs[found.uid]
        if pod := run.pod():
            run.write(pod)
        run.woken.set()

    def evict(self, of: Resource, space: str, name: str, body: Any, how: Write) -> None:
        """As a drain asks for it: a PodDisruptionBudget may refuse."""
        pod = self.api.read(of, space, name)
        for budget in self.api.store.all(("policy", "poddisruptionbudgets"), space):
            if not by_selector(budget["spec"].get("selector"))(pod):
                continue
            pods = [one for one in self.api.store.all(PODS.key, space) if by_selector(budget["spec"]["selector"])(one)]
            healthy = sum(is_ready(one) for one in pods)
            if healthy - 1 < int(budget["spec"].get("minAvailable", 0)):
                raise ApiError(429, "Cannot evict pod as it would violate the pod's disruption budget.")
        self.api.delete(of, space, name, (body or {}).get("deleteOptions"), how)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _unschedulable(pod: Obj) -> str:
    """ "" when a node takes it."""
    asked = sum(cpu_of(one.get("resources", {}).get("requests", {}).get("cpu", 0)) for one in pod["spec"]["containers"])
    every = f"0/{len(NODES)} nodes are available: {len(NODES)}"
    if asked > NODE_CPU:
        nobody = f"0/{len(NODES)} nodes are available: {len(NODES)} No preemption victims found for incoming pod."
        return f"{every} Insufficient cpu. preemption: {nobody}"
    for key, value in (pod["spec"].get("nodeSelector") or {}).items():
        if key != "kubernetes.io/hostname" or value not in NODES:
            return f"{every} node(s) didn't match Pod's node affinity/selector."
    return ""
