"""Docker's SDK for Python over connections that the read door opens. It blocks, so it is asked in threads.

The SDK's own way over ssh wants paramiko, or starts ssh so that it asks on the terminal and waits without a limit. Its
requests are therefore carried by connections that the door opens.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import docker
import requests
import urllib3
from docker.transport.basehttpadapter import BaseHTTPAdapter

_BASE = "http://docker:2375"
"""A name for the session; nothing is ever looked up under it."""
_LEFT_OPEN = 4
"""Connections that are kept for the next questions."""


@dataclass(frozen=True)
class Opened:
    """A connected socket, and what ends all that carries it; it may be called from any thread."""

    socket: socket.socket
    close: Callable[[], None]


Connect = Callable[[float], Opened]
"""Within so many seconds. Raises WarroomError. It is called in a thread."""


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, connect: Connect, seconds: float) -> None:
        super().__init__("docker", timeout=seconds)
        self._open = connect
        self._seconds = seconds
        self._carried: Opened | None = None

    def connect(self) -> None:
        self._carried = self._open(self._seconds)
        self.sock = self._carried.socket

    def close(self) -> None:
        super().close()
        carried, self._carried = self._carried, None
        if carried is not None:
            carried.close()


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, connect: Connect, seconds: Callable[[], float]) -> None:
        super().__init__("docker", maxsize=_LEFT_OPEN)
        self._open = connect
        self._seconds = seconds

    def _new_conn(self) -> Any:
        return _Connection(self._open, self._seconds())


class Carrier(BaseHTTPAdapter):
    """What carries the SDK's requests to one engine. Each thread asks within ``patient``."""

    def __init__(self, connect: Connect, tls: ssl.SSLContext | None, host: str) -> None:
        super().__init__()
        self._now = threading.local()
        self._sockets: WeakSet[socket.socket] = WeakSet()

        def connected(seconds: float) -> Opened:
            opened = connect(seconds)
            opened.socket.settimeout(seconds)
            try:
                used = tls.wrap_socket(opened.socket, server_hostname=host) if tls is not None else opened.socket
            except BaseException:
                opened.close()
                raise
            self._sockets.add(used)
            return Opened(used, opened.close)

        self._pool = _Pool(connected, lambda: self.patience[0])

    @contextlib.contextmanager
    def patient(self, connect: float, answer: float) -> Iterator[None]:
        """For this thread: seconds for a connection, and for each part of an answer."""
        self._now.patience = (connect, answer)
        try:
            yield
        finally:
            del self._now.patience

    @property
    def patience(self) -> tuple[float, float]:
        connect, answer = self._now.patience
        return float(connect), float(answer)

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return request.path_url

    def close(self) -> None:
        """Who still waits for an answer is told that there will be none."""
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._pool.close()


class Api(docker.APIClient):
    """The SDK's client for one engine. ``version`` is that of the engine's API, such as ``1.41``."""

    def __init__(self, carrier: Carrier, version: str) -> None:
        super().__init__(base_url=_BASE, version=version)
        self.trust_env = False  # no proxy and no .netrc: the door makes the connections
        self.mount("http://", carrier)
        self._carrier = carrier

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        return super().send(request, **{**more, "timeout": self._carrier.patience})
