"""The emulator running: the API on HTTPS, the levers on a port of their own, both on loopback, in a thread."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.kube.access import TOKEN, Access, Denial
from tests.kube.api import Api, Write
from tests.kube.autoscaling import Autoscaling
from tests.kube.certificates import Certificates, make_certificates
from tests.kube.cluster import Cluster, Door, Images, KubeProblem, Opener
from tests.kube.controllers import Work
from tests.kube.daemonsets import DaemonSets
from tests.kube.deployments import Deployments
from tests.kube.endpoints import Endpoints
from tests.kube.errors import ApiError
from tests.kube.garbage import Garbage
from tests.kube.kubelet import NODES, Kubelet
from tests.kube.levers import Behaviour, Failing, Levers
from tests.kube.lists import Watches
from tests.kube.population import populate
from tests.kube.quota import by_quota
from tests.kube.replicasets import ReplicaSets
from tests.kube.resources import resource
from tests.kube.server import Server
from tests.kube.statefulsets import StatefulSets
from tests.kube.steering import Steering

IMAGES = Images("registry.example/app:v1", "registry.example/app:v2", "registry.example/app:crash-v3")
STARTED_S = 30.0
HEADERS = {"Authorization": f"Bearer {TOKEN}", "User-Agent": "tests"}


class Emulator:
    """To be made inside the event loop that runs it."""

    def __init__(self) -> None:
        self.api, self.levers, self.access = Api(), Levers(), Access()
        self.watches = Watches(self.api.store)
        self.kubelet = Kubelet(self.api, self.levers)
        self.work = Work(self.api, self.levers, self.kubelet.events)
        for controller in (Deployments, ReplicaSets, StatefulSets, DaemonSets, Autoscaling, Endpoints, Garbage):
            controller(self.work)
        self.api.admission.append(by_quota(self.api))
        self.server = Server(self.api, self.levers, self.access, self.watches, self.kubelet)
        self._furnish()

    def _furnish(self) -> None:
        how = Write("kube-apiserver")
        for name in ("default", "kube-system"):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.api.create(resource("", "namespaces"), "", body, how)
        for name in NODES:
            labels = {"kubernetes.io/hostname": name}
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is ready"}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
            made = self.api.create(resource("", "nodes"), "", node, how)
            self.api.set_status("nodes", made, {"conditions": [ready], "capacity": {"cpu": "64"}}, group="")


class Running:
    """The listener, which may be closed and opened again on its port."""

    def __init__(self, emulator: Emulator, tls: ssl.SSLContext | None) -> None:
        self.emulator, self.tls = emulator, tls
        self.port = self.control = 0
        self._runner = web.ServerRunner(
            web.Server(emulator.server.handle, handler_cancellation=True), handle_signals=False, shutdown_timeout=0.1
        )
        self._levers = web.ServerRunner(web.Server(self._steer), handle_signals=False, shutdown_timeout=0.1)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._levers.setup()
        self.control = await _listen(self._levers, 0, None)
        await self._runner.setup()
        self.port = await _listen(self._runner, 0, self.tls)
        self._tasks.append(asyncio.create_task(self.emulator.work.run()))

    async def stop(self) -> None:
        self.emulator.levers.speaking.set()
        self.emulator.work.stop()
        await self.emulator.kubelet.stop()
        for task in self._tasks:
            task.cancel()
        for runner in (self._runner, self._levers):
            await runner.cleanup()

    async def restart(self, seconds: float) -> None:
        self.emulator.watches.end()
        await self._runner.cleanup()
        self.emulator.api.store.compact()
        await asyncio.sleep(seconds)
        self._runner = web.ServerRunner(
            web.Server(self.emulator.server.handle, handler_cancellation=True),
            handle_signals=False,
            shutdown_timeout=0.1,
        )
        await self._runner.setup()
        await _listen(self._runner, self.port, self.tls)

    # ---- the levers

    async def _steer(self, request: web.BaseRequest) -> web.StreamResponse:
        word = request.path.removeprefix("/emulator/")
        values = json.loads(await request.read())
        if word == "restart":
            await self.restart(values["down_s"])
            return web.json_response({})
        done = getattr(self, f"_do_{word.replace('-', '_')}")
        try:
            return web.json_response(done(**values))
        except ApiError as error:
            return web.json_response(error.status(), status=error.code)

    def _do_reset(self) -> None:
        self.emulator.levers.reset()
        self.emulator.access.reset()
        self._woken()

    def _woken(self) -> None:
        self.emulator.work.wake()
        self.emulator.kubelet.wake()

    def _do_image(self, image: str, does: Any, digest: str, lines: list[str] | None) -> None:
        self.emulator.levers.images[image] = Behaviour(does, digest, None if lines is None else tuple(lines))

    def _do_say(self, namespace: str, pod: str, container: str, lines: list[str]) -> None:
        self.emulator.kubelet.say(namespace, pod, container, lines)

    def _do_crash(self, namespace: str, pod: str, container: str, code: int) -> None:
        self.emulator.kubelet.crash(namespace, pod, container, code)

    def _do_usage(self, namespace: str, pod: str, cpu_m: int, memory_mi: int) -> None:
        self.emulator.levers.usage[namespace, pod] = (cpu_m, memory_mi)

    def _do_metrics(self, on: bool) -> None:
        self.emulator.levers.metrics = on

    def _do_hold(self, what: list[str]) -> None:
        self.emulator.levers.held = frozenset(what)
        self._woken()

    def _do_deny(self, verb: str, resource: str, namespace: str) -> None:
        self.emulator.access.denials.append(Denial(verb, resource, namespace))

    def _do_tokens(self, valid: list[str]) -> None:
        self.emulator.access.tokens = dict.fromkeys(valid, "warroom-tester")

    def _do_fail(self, path: str, status: int, times: int, method: str, reason: str, wait_s: int) -> None:
        self.emulator.levers.failing.append(Failing(path, method, status, reason, wait_s, times))

    def _do_slow(self, seconds: float, path: str) -> None:
        self.emulator.levers.slow = [(seconds, path)] if seconds else []

    def _do_compact(self) -> None:
        self.emulator.api.store.compact()

    def _do_end_watches(self) -> None:
        self.emulator.watches.end()

    def _do_bookmark(self) -> None:
        self.emulator.watches.bookmark()

    def _do_mute(self, on: bool) -> None:
        speaking = self.emulator.levers.speaking
        speaking.clear() if on else speaking.set()

    def _do_requests(self) -> list[dict[str, Any]]:
        return self.emulator.server.seen

    def _do_populate(self, namespace: str, deployments: int, pods: int) -> None:
        populate(self.emulator.work, namespace, deployments, pods)

    def _do_forget(self) -> None:
        self.emulator.server.seen.clear()


async def _listen(runner: web.ServerRunner, port: int, tls: ssl.SSLContext | None) -> int:
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls, reuse_address=True)
    await site.start()
    found: int = runner.addresses[-1][1]
    return found


def _in_thread(tls: ssl.SSLContext | None) -> tuple[Running, Callable[[], None]]:
    """Running, and what stops it."""
    ready, found, failed = threading.Event(), [], []
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def main() -> None:
        running = Running(Emulator(), tls)
        try:
            await running.start()
            found.append(running)
            ready.set()
            await ended.wait()
        finally:
            await running.stop()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def live() -> None:
        try:
            loop.run_until_complete(main())
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=live, name="kube-emulator", daemon=True)
    thread.start()
    if not ready.wait(STARTED_S) or failed or not found:
        raise AssertionError(f"the emulator did not start: {failed}")

    def stop() -> None:
        loop.call_soon_threadsafe(ended.set)
        thread.join(STARTED_S)

    return found[0], stop


def serve(folder: Path) -> None:
    """Until its standard input ends; FOLDER/kubeconfig leads to it. Standard output says its ports: a line of JSON."""
    certificates = make_certificates(folder) if shutil.which("openssl") else None
    running, stop = _in_thread(certificates.server() if certificates else None)
    write_kubeconfig(folder, certificates, running.port)
    sys.stdout.write(json.dumps({"port": running.port, "control": running.control, "tls": bool(certificates)}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop()


@contextmanager
def emulated_apart(folder: Path) -> Iterator[Cluster]:
    """In a process of its own: neither its memory nor its work is the tests'."""
    root = Path(__file__).resolve().parents[2]
    argv = [sys.executable, "-m", "tests.kube", str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise AssertionError("the emulator's process did not start")
            said = json.loads(line)
            certificates = Certificates(folder) if said["tls"] else None
            yield held(folder, certificates, said["port"], said["control"])
        finally:
            process.terminate()


@contextmanager
def emulated(folder: Path) -> Iterator[Cluster]:
    """TLS where openssl is here to make certificates, else plain HTTP."""
    certificates = make_certificates(folder) if shutil.which("openssl") else None
    running, stop = _in_thread(certificates.server() if certificates else None)
    try:
        yield held(folder, certificates, running.port, running.control)
    finally:
        stop()


def held(folder: Path, certificates: Certificates | None, port: int, control: int) -> Cluster:
    """A cluster that answers at these ports, with a kubeconfig for it."""
    path = write_kubeconfig(folder, certificates, port)
    connect = _connected(port, certificates)
    return Cluster(path, "emulator", IMAGES, _door(connect), _opener(connect), Steering(_levers(control)))


def write_kubeconfig(folder: Path, certificates: Certificates | None, port: int) -> Path:
    cluster: dict[str, Any] = {"server": f"{'https' if certificates else 'http'}://127.0.0.1:{port}"}
    if certificates:
        cluster["certificate-authority"] = certificates.ca.name
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "emulator", "cluster": cluster}],
        "users": [{"name": "tester", "user": {"token": TOKEN}}],
        "contexts": [{"name": "emulator", "context": {"cluster": "emulator", "user": "tester"}}],
        "current-context": "emulator",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config, indent=1))
    path.chmod(0o600)
    return path


def _connected(port: int, certificates: Certificates | None) -> Callable[[], HTTPConnection]:
    tls = certificates.client() if certificates else None

    def connect() -> HTTPConnection:
        if tls is None:
            return HTTPConnection("127.0.0.1", port, timeout=30)
        return HTTPSConnection("127.0.0.1", port, timeout=30, context=tls)

    return connect


def _door(connect: Callable[[], HTTPConnection]) -> Door:
    def door(method: str, path: str, body: bytes, content_type: str, /) -> tuple[int, bytes]:
        line = connect()
        try:
            line.request(method, path, body or None, {**HEADERS, "Content-Type": content_type})
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    return door


def _opener(connect: Callable[[], HTTPConnection]) -> Opener:
    @contextmanager
    def opened(path: str) -> Iterator[Iterator[bytes]]:
        line = connect()
        try:
            line.request("GET", path, headers=HEADERS)
            answer = line.getresponse()
            if answer.status != 200:
                raise KubeProblem(f"GET {path}: {answer.status} {answer.read().decode()}")
            yield iter(answer.readline, b"")
        finally:
            line.close()

    return opened


def _levers(control: int) -> Callable[[str, bytes], tuple[int, bytes]]:
    def post(path: str, body: bytes) -> tuple[int, bytes]:
        line = HTTPConnection("127.0.0.1", control, timeout=60)
        try:
            line.request("POST", path, body)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    return post
