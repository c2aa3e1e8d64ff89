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
_CHUNK = 65536
LARGEST = 32 * 2**20
"""Bytes of an answer: many times what a host with thousands of images gives."""


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


class Asking:
    """A question that is under way in a thread; ``end``, from any thread, ends what it waits for."""

    def __init__(self) -> None:
        self.taken: set[Any] = set()

    def end(self) -> None:
        for each in tuple(self.taken):
            if (opened := each.sock) is not None:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, connect: Connect, seconds: Callable[[], float], asking: Callable[[], Asking | None]) -> None:
        super().__init__("docker", maxsize=_LEFT_OPEN)
        self._open = connect
        self._seconds = seconds
        self._asking = asking

    def _new_conn(self) -> Any:
        return _Connection(self._open, self._seconds())

    def _get_conn(self, timeout: float | None = None) -> Any:
        found = super()._get_conn(timeout)
        if (asking := self._asking()) is not None:
            asking.taken.add(found)
        return found

    def _put_conn(self, conn: Any) -> None:
        """It is another question's from here on."""
        if (asking := self._asking()) is not None:
            asking.taken.discard(conn)
        super()._put_conn(conn)


class Carrier(BaseHTTPAdapter):
    """What carries the SDK's requests to one engine. Each thread asks within ``patient``."""

    def __init__(self, connect: Connect, tls: ssl.SSLContext | None, host: str) -> None:
        super().__init__()
        self._now = threading.local()
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._closed = False

        def connected(seconds: float) -> Opened:
            opened = connect(seconds)
            opened.socket.settimeout(seconds)
            try:
                used = tls.wrap_socket(opened.socket, server_hostname=host) if tls is not None else opened.socket
            except BaseException:
                opened.close()
                raise
            with self._lock:
                self._sockets.add(used)
                if not self._closed:
                    return Opened(used, opened.close)
            used.close()
            opened.close()
            raise ConnectionAbortedError("nobody asks any more")

        self._pool = _Pool(connected, lambda: self.patience[0], lambda: getattr(self._now, "asking", None))

    @contextlib.contextmanager
    def patient(self, connect: float, answer: float, asking: Asking) -> Iterator[None]:
        """For this thread: seconds for a connection, and for each part of an answer."""
        self._now.patience, self._now.asking = (connect, answer), asking
        try:
            yield
        finally:
            del self._now.patience, self._now.asking

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
        with self._lock:
            self._closed = True
            opened = list(self._sockets)
        for each in opened:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._pool.close()


class Api(docker.APIClient):
    """The SDK's client for one engine. ``version`` is that of the engine's API, such as ``1.41``."""

    def __init__(self, carrier: Carrier, version: str) -> None:
        super().__init__(base_url=_BASE, version=version)
        self.trust_env = False  # no proxy and no .netrc: the door makes the connections
        self.mount("http://", carrier)
        self.mount("https://", carrier)  # an engine that names another place is not followed out of the door
        self._carrier = carrier

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        """Read whole, but not more than ``LARGEST``; no redirection is followed, since an engine gives none."""
        given = {**more, "timeout": self._carrier.patience, "allow_redirects": False, "stream": True}
        response = super().send(request, **given)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > LARGEST:
                response.close()
                raise requests.exceptions.ContentDecodingError(f"it is longer than {LARGEST >> 20} MiB")
        response._content = bytes(body)
        return response
