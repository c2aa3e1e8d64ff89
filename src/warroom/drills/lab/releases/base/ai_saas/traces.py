"""Traces of the newest requests, kept in memory for who looks for a slow one."""

from __future__ import annotations

from collections import deque

SIZE = 256 * 1024
"""Bytes that a trace has from the beginning, so that no request waits for memory."""


class Traces:
    def __init__(self, most: int) -> None:
        self._kept: deque[bytearray] = deque(maxlen=most)

    def keep(self, route: str, status: int, seconds: float) -> None:
        if self._kept.maxlen:
            self._kept.append(bytearray(f"{route} {status} {seconds:.6f}".encode().ljust(SIZE)))
