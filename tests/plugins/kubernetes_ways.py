"""Ways to a cluster of the tests: kubeconfigs that differ from the fixture's, and a proxy on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.kube.access import TOKEN
from tests.kube.cluster import Cluster


def server(cluster: Cluster) -> str:
    found = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return str(found)


def way(
    cluster: Cluster, folder: Path, *, trust: dict[str, Any] | None = None, user: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The plugin's configuration with a kubeconfig of its own: ``trust`` is of its cluster, with the emulator's CA
    where it is left out, ``user`` the fixture's token."""
    own = {"certificate-authority": str(cluster.kubeconfig.parent / "ca.crt")}
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server(cluster), **(own if trust is None else trust)}}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
        "contexts": [{"name": "way", "context": {"cluster": "c", "user": "u"}}],
    }
    file = folder / "way"
    file.write_text(yaml.safe_dump(content))
    return {"kubeconfig": str(file), "context": "way", "workloads": {"web": {}}, "request_s": 20}


@dataclass
class Proxy:
    """It takes CONNECT alone. ``asked`` are the first lines that it was sent, with Proxy-Authorization."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    refuses: int = 0
    """The status that it answers with instead."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.splitlines()
        self.asked.append(" ".join([first, *(line for line in rest if line.lower().startswith("proxy-auth"))]))
        if self.refuses:
            writer.write(f"HTTP/1.1 {self.refuses} No\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            host, _, port = first.split()[1].rpartition(":")
            there, to = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(reader, to), _pump(there, writer))
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    sink.close()


@contextlib.asynccontextmanager
async def a_proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    listener = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listener.close()
