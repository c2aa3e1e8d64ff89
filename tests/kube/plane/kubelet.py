"""Stands in for the nodes of a control plane: three Node objects, whose pods become what their image's tag says.

``bad…`` and ``…no-such…`` can't be pulled, ``crash…`` ends at once with 1 and is started again, ``never…`` runs and is
never ready, all others run, and are ready once their readiness probe's initialDelaySeconds are over. It speaks to the
API server as a kubelet does, and serves the containers' logs.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

Json = dict[str, Any]
Key = tuple[str, str, str]
NODES = ("node-1", "node-2", "node-3")
STRATEGIC, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
STARTS_S, STOPS_S, SPEAKS_S = 0.2, 0.2, 1.0
KEPT = 1000
"""Lines of a container's log."""

LOG = logging.getLogger("kubelet")


def seconds() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nanoseconds() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def behaviour(image: str) -> str:
    tag = image.rpartition("/")[2].partition("@")[0].rpartition(":")[2]
    if "no-such" in tag:
        return "bad"
    return next((one for one in ("bad", "crash", "never") if tag.startswith(one)), "runs")


def image_id(image: str) -> str:
    """As a registry would give it: the tag's own digest."""
    name, _, digest = image.partition("@")
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return f"{repository}@{digest or 'sha256:' + hashlib.sha256(image.encode()).hexdigest()}"


def address(uid: str) -> str:
    first = hashlib.sha256(uid.encode()).digest()
    return f"10.{first[0]}.{first[1]}.{first[2]}"


@dataclass
class Logs:
    now: dict[Key, list[tuple[str, str]]] = field(default_factory=dict)
    before: dict[Key, list[tuple[str, str]]] = field(default_factory=dict)

    def begin(self, key: Key, *lines: str) -> None:
        if key in self.now:
            self.before[key] = self.now[key]
        self.now[key] = [(nanoseconds(), line) for line in lines]

    def say(self, line: str) -> None:
        """By every container that runs."""
        for written in self.now.values():
            if len(written) < KEPT:
                written.append((nanoseconds(), line))

    def forget(self, namespace: str, pod: str) -> None:
        for kept in (self.now, self.before):
            for key in [key for key in kept if key[:2] == (namespace, pod)]:
                del kept[key]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """``/containerLogs/NAMESPACE/POD/CONTAINER``, as the API server asks for it."""
        namespace, pod, container = (request.match_info[name] for name in ("namespace", "pod", "container"))
        kept = self.before if request.query.get("previous") == "true" else self.now
        lines = kept.get((namespace, pod, container))
        if lines is None:
            words = f'previous terminated container "{container}" in pod "{pod}" not found'
            return web.Response(status=400, text=words)
        shown = [line for line in lines if line[0] >= request.query.get("sinceTime", "")]
        if tail := request.query.get("tailLines"):
            shown = shown[max(0, len(shown) - int(tail)) :]
        stamped = request.query.get("timestamps") == "true"
        reply = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await reply.prepare(request)
        at = len(lines)
        await reply.write(b"".join(drawn(line, stamped) for line in shown))
        while request.query.get("follow") == "true" and kept.get((namespace, pod, container)) is lines:
            new, at = lines[at:], len(lines)
            if new:
                await reply.write(b"".join(drawn(line, stamped) for line in new))
            await asyncio.sleep(0.1)
        await reply.write_eof()
        return reply


def drawn(line: tuple[str, str], stamped: bool) -> bytes:
    return f"{f'{line[0]} ' if stamped else ''}{line[1]}\n".encode()


@dataclass
class Pod:
    """One that was given to a node; ``restarts`` counts those of all its containers together."""

    body: Json
    started: str = field(default_factory=seconds)
    restarts: int = 0

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def images(self) -> dict[str, str]:
        return {one["name"]: one["image"] for one in self.body["spec"]["containers"]}

    @property
    def probed_after(self) -> float:
        """The longest of its containers' initialDelaySeconds: none is asked whether it is ready before that."""
        probes = [one.get("readinessProbe") or {} for one in self.body["spec"]["containers"]]
        return max(float(one.get("initialDelaySeconds") or 0) for one in probes)

    def container(self, name: str, state: Json, ready: bool, last: Json | None = None) -> Json:
        image = self.images[name]
        pulled = behaviour(image) != "bad"
        return {
            "name": name,
            "image": image,
            "imageID": image_id(image) if pulled else "",
            "containerID": f"test://{self.uid}-{name}-{self.restarts}" if pulled else "",
            "restartCount": self.restarts,
            "ready": ready,
            "started": ready,
            "state": state,
            "lastState": last or {},
        }

    def status(self, phase: str, containers: list[Json]) -> Json:
        ready = all(one["ready"] for one in containers)
        condition = {"status": "True" if ready else "False", "lastTransitionTime": seconds()}
        if not ready:
            waiting = " ".join(one["name"] for one in containers if not one["ready"])
            condition |= {"reason": "ContainersNotReady", "message": f"containers with unready status: [{waiting}]"}
        return {
            "phase": phase,
            "hostIP": "127.0.0.1",
            "podIP": address(self.uid),
            "podIPs": [{"ip": address(self.uid)}],
            "startTime": self.started,
            "conditions": [
                {"type": "Initialized", "status": "True", "lastTransitionTime": self.started},
                {"type": "Ready", **condition},
                {"type": "ContainersReady", **condition},
            ],
            "containerStatuses": containers,
        }


class Kubelet:
    def __init__(self, http: ClientSession, server: str, token: str, logs: Logs) -> None:
        self._http = http
        self._server = server
        self._head = {"Authorization": f"Bearer {token}", "User-Agent": "kubelet"}
        self._logs = logs
        self._living: dict[str, asyncio.Task[None]] = {}

    async def ask(
        self, method: str, path: str, body: Json | None = None, kind: str = "application/json"
    ) -> tuple[int, Json]:
        head = {**self._head, "Content-Type": kind}
        data = None if body is None else json.dumps(body)
        async with self._http.request(method, self._server + path, headers=head, data=data) as reply:
            return reply.status, await reply.json(content_type=None)

    async def join(self, port: int) -> None:
        """Makes the nodes, ready; ``port`` is where logs are asked for."""
        roomy = {"cpu": "64", "memory": "256Gi", "pods": "20000"}
        for name in NODES:
            head = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}}
            await self.ask("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": head})
            stamp = seconds()
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it is"}
            status = {
                "capacity": roomy,
                "allocatable": roomy,
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
                "conditions": [{**ready, "lastHeartbeatTime": stamp, "lastTransitionTime": stamp}],
            }
            await self.ask("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, STRATEGIC)
            await self.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}}, MERGE)

    async def serve(self) -> None:
        """For ever: lists and watches the pods of all nodes."""
        while True:
            try:
                _, listed = await self.ask("GET", "/api/v1/pods")
                for pod in listed["items"]:
                    self._see("ADDED", pod)
                await self._watch(str(listed["metadata"]["resourceVersion"]))
            except (ClientError, TimeoutError, OSError, KeyError, ValueError) as error:
                LOG.warning("watching anew: %r", error)
                await asyncio.sleep(0.5)

    async def _watch(self, version: str) -> None:
        url = f"{self._server}/api/v1/pods?watch=1&timeoutSeconds=600&resourceVersion={version}"
        rest = b""
        async with self._http.get(url, headers=self._head, timeout=ClientTimeout(total=None)) as reply:
            async for chunk in reply.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ValueError(event["object"].get("message"))
                    self._see(event["type"], event["object"])

    def _see(self, what: str, body: Json) -> None:
        pod = Pod(body)
        if what == "DELETED":
            self._end(pod.uid)
            self._logs.forget(pod.namespace, pod.name)
        elif body["spec"].get("nodeName") in NODES:
            if body["metadata"].get("deletionTimestamp"):
                self._end(pod.uid)
                self._living[pod.uid] = asyncio.create_task(self._stop(pod))
            elif pod.uid not in self._living and body.get("status", {}).get("phase") in (None, "Pending", "Running"):
                self._living[pod.uid] = asyncio.create_task(self._live(pod))

    def _end(self, uid: str) -> None:
        if task := self._living.pop(uid, None):
            task.cancel()

    async def _stop(self, pod: Pod) -> None:
        await asyncio.sleep(STOPS_S)
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}}
        await self.ask("DELETE", pod.path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})

    async def _live(self, pod: Pod) -> None:
        try:
            if any(behaviour(image) == "bad" for image in pod.images.values()):
                await self._not_pulled(pod)
            else:
                await self._run(pod)
        except (ClientError, TimeoutError, OSError) as error:
            LOG.warning("%s: %r", pod.name, error)

    async def _not_pulled(self, pod: Pod) -> None:
        for reason in ("ErrImagePull", "ImagePullBackOff"):
            waiting = {
                name: {
                    "reason": reason if behaviour(image) == "bad" else "ContainerCreating",
                    "message": f'Back-off pulling image "{image}"',
                }
                for name, image in pod.images.items()
            }
            states = [pod.container(name, {"waiting": waiting[name]}, False) for name in pod.images]
            await self._say(pod, "Pending", states)
            await self._event(pod, "Failed", f"Error: {reason}")
            await asyncio.sleep(STARTS_S)

    async def _run(self, pod: Pod) -> None:
        does = {name: behaviour(image) for name, image in pod.images.items()}
        while True:
            for name, image in pod.images.items():
                ends = ["panic: no configuration"] if does[name] == "crash" else []
                self._logs.begin((pod.namespace, pod.name, name), f"{image} starts", *ends)
            began = seconds()
            running: Mapping[str, Json] = {name: {"running": {"startedAt": began}} for name in does}
            await self._say(pod, "Running", [pod.container(name, running[name], False) for name in does])
            if "crash" not in does.values():
                break
            ended = {"exitCode": 1, "reason": "Error", "startedAt": began, "finishedAt": seconds()}
            last = {"terminated": ended}
            pod.restarts += 1
            waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
            states = [
                pod.container(name, waiting, False, last)
                if does[name] == "crash"
                else pod.container(name, running[name], True)
                for name in does
            ]
            await self._say(pod, "Running", states)
            await self._event(pod, "BackOff", "Back-off restarting failed container")
            await asyncio.sleep(min(60, 2**pod.restarts))
        if "never" in does.values():
            await self._event(pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
            return
        await asyncio.sleep(STARTS_S + pod.probed_after)
        await self._say(pod, "Running", [pod.container(name, running[name], True) for name in does])

    async def _say(self, pod: Pod, phase: str, containers: list[Json]) -> None:
        body = {"metadata": {"uid": pod.uid}, "status": pod.status(phase, containers)}
        status, said = await self.ask("PATCH", f"{pod.path}/status", body, STRATEGIC)
        if status >= 300 and status != 404:
            LOG.warning("%s: %s %s", pod.name, status, said.get("message"))

    async def _event(self, pod: Pod, reason: str, message: str) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{pod.name}."},
            "involvedObject": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": 1,
            "firstTimestamp": seconds(),
            "lastTimestamp": seconds(),
            "source": {"component": "kubelet", "host": pod.body["spec"]["nodeName"]},
        }
        await self.ask("POST", f"/api/v1/namespaces/{pod.namespace}/events", body)


async def chatter(logs: Logs) -> None:
    number = 0
    while True:
        await asyncio.sleep(SPEAKS_S)
        number += 1
        logs.say(f"GET /health 200 {number}")


async def kubelet(server: str, token: str, certificate: Path, key: Path) -> None:
    """For ever. The certificate is the one that logs are served with."""
    logs = Logs()
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs.answer)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    async with ClientSession(connector=TCPConnector(ssl=False)) as http, asyncio.TaskGroup() as group:
        node = Kubelet(http, server, token, logs)
        await node.join(runner.addresses[0][1])
        group.create_task(chatter(logs))
        group.create_task(node.serve())
        print("ready", flush=True)
