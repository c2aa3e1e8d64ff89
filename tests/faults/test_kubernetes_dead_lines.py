"""Connections that stand, and on which nothing comes any more: what lies between has forgotten them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_watching import gathering, outside
from tests.plugins.kubernetes_ways import server, way
from warroom_kubernetes import logs

pytestmark = pytest.mark.needs("kube-emulator")


@dataclass
class Between:
    """``forget``: what stands by then stays open, and carries nothing any more."""

    port: int
    _forgotten: int = 0
    _count: int = 0
    address: str = ""
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)

    def forget(self) -> None:
        self._forgotten = self._count

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        number = self._count
        there, to = await asyncio.open_connection("127.0.0.1", self.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while chunk := await source.read(65536):
                    if number > self._forgotten:
                        sink.write(chunk)
                        await sink.drain()

        tasks = {asyncio.create_task(pump(reader, to)), asyncio.create_task(pump(there, writer))}
        self._pumps |= tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        to.close()
        writer.close()

    async def end(self) -> None:
        for task in self._pumps:
            task.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@contextlib.asynccontextmanager
async def between(cluster: Cluster) -> AsyncIterator[Between]:
    made = Between(urlsplit(server(cluster)).port or 443)
    listener = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
        await made.end()


async def test_a_log_that_is_followed_over_a_dead_connection_is_asked_for_anew(
    cluster: Cluster, namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written meanwhile comes, and nothing comes twice."""
    monkeypatch.setattr(logs, "QUIET_S", 1.0)
    await outside(namespace.workload, "web", replicas=1)
    pod = (await outside(lambda: cluster.items(f"/api/v1/namespaces/{namespace.name}/pods")))[0]["metadata"]["name"]
    async with between(cluster) as line:
        config = way(cluster, tmp_path)
        file = Path(config["kubeconfig"])
        file.write_text(file.read_text().replace(urlsplit(server(cluster)).netloc, line.address))
        async with gathering(namespace, signals=False, logs=True, kubeconfig=str(file), context="way") as found:
            await outside(cluster.steer.say, namespace.name, pod, "before")
            await found.until(lambda: "before" in found.texts(pod), "followed")
            line.forget()
            await outside(cluster.steer.say, namespace.name, pod, "meanwhile")
            await found.until(lambda: "meanwhile" in found.texts(pod), "asked for anew")
            assert found.texts(pod).count("before") == 1
