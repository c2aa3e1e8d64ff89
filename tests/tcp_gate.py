"""A TCP door before a server on loopback that lets a number of bytes through and then no more, until it is opened."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.docker_engine import wait_for

CHUNK = 16384


class Gate:
    """``address`` is what clients take instead of the server's. ``passed`` counts the server's bytes."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open = threading.Condition()
        self._left: int | None = None
        self._ended = False
        self.passed = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def shut_after(self, count: int) -> None:
        """From now on the server's next ``count`` bytes pass, over all connections together, and then none."""
        with self._open:
            self._left, self.passed = count, 0

    def open(self) -> None:
        with self._open:
            self._left = None
            self._open.notify_all()

    def wait_until_shut(self) -> None:
        """Until that many bytes have passed: somebody is in the middle of it."""
        wait_for(lambda: self._left == 0, "the gate to be reached")

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server, timeout=10)
            except OSError:
                client.close()
                continue
            for one, other, counted in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._carry, args=(one, other, counted), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        one.settimeout(None)
        with contextlib.suppress(OSError):
            while data := one.recv(CHUNK):
                for part in self._let_through(data) if counted else (data,):
                    other.sendall(part)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _let_through(self, data: bytes) -> Iterator[bytes]:
        while data:
            with self._open:
                self._open.wait_for(lambda: self._left != 0 or self._ended)
                count = len(data) if self._left is None else min(len(data), self._left)
                if self._left is not None:
                    self._left -= count
                self.passed += count
            if not count:
                return
            yield data[:count]
            data = data[count:]

    def close(self) -> None:
        with self._open:
            self._ended = True
            self._left = 0
            self._open.notify_all()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@contextlib.contextmanager
def a_gate(address: str) -> Iterator[Gate]:
    """Before HOST:PORT; open to begin with."""
    host, _, port = address.rpartition(":")
    gate = Gate(host, int(port))
    serving = threading.Thread(target=gate.serve, daemon=True)
    serving.start()
    try:
        yield gate
    finally:
        gate.close()
        serving.join(10)
