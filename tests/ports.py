"""Ports for servers that have to be told one before they start."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

LOWEST = 15_000
_GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_held: list[socket.socket] = []
"""Until this process ends, whatever becomes of the servers: also one that is stopped finds its port again."""


def free_port() -> int:
    """One on 127.0.0.1 that nobody else of the test run gets, nor any connection.

    The system gives connections and port 0 the ports of a range; one of those, found free, may be taken a moment later.
    So it is one below them. A socket's name that exists once on the machine, and goes with its process, keeps the test
    run's other processes from it.
    """
    for _ in range(1000):
        port = LOWEST + secrets.randbelow(max(1000, _first_given_out() - LOWEST))
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0warroom-test-port-{port}")
            with socket.socket() as tried:
                tried.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        return port
    raise RuntimeError("no port is free")


def _first_given_out() -> int:
    try:
        return int(_GIVEN_OUT.read_text().split()[0])
    except (OSError, ValueError):
        return 32_768
