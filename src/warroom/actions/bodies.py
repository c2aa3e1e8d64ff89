"""Reading a reply's body within a bound, packed or not: what unpacks to more is cut, whatever it was packed with."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from warroom.errors import Unreachable

if TYPE_CHECKING:
    import httpx

ACCEPTED = "gzip"
"""The one coding that is asked for. The client's own decoders would unpack several in one another without a bound."""
_PLAIN = ("", "identity")
_GZIP = ("gzip", "x-gzip")
_SHOWN = ("content-type", "link", "date", "etag")
_LIMITS = ("x-ratelimit-", "x-sentry-rate-limit-")
_LONGEST = 4000


async def bounded(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """The body, unpacked, up to ``limit`` bytes, and whether that is all of it.

    Raises ``Unreachable`` where it is packed in another way than was asked for, or is broken.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in (*_PLAIN, *_GZIP):
        raise Unreachable("the reply can't be read", f"it is packed as {coding[:60]!r}, gzip was asked for")
    unpacked = _Unpacked(coding in _GZIP, limit)
    async for chunk in response.aiter_raw():
        unpacked.add(chunk)
        if unpacked.full:
            break
    return unpacked.end()


class _Unpacked:
    def __init__(self, packed: bool, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._chunks: list[bytes] = []
        self._gzip = zlib.decompressobj(wbits=31) if packed else None

    @property
    def full(self) -> bool:
        return self._size > self._limit

    def add(self, chunk: bytes) -> None:
        if self._gzip is None:
            self._keep(chunk)
            return
        if self._gzip.eof:
            return  # what follows the packed body is none of it
        try:
            self._keep(self._gzip.decompress(chunk, self._limit + 1 - self._size))
        except zlib.error as error:
            raise Unreachable("the reply can't be read", f"it says it is gzip, and is not: {error}") from None

    def end(self) -> tuple[bytes, bool]:
        if self._gzip is not None and self._size and not self.full and not self._gzip.eof:
            raise Unreachable("the reply can't be read", "its packed body breaks off")
        return b"".join(self._chunks)[: self._limit], not self.full

    def _keep(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)


def shown(headers: httpx.Headers) -> dict[str, str]:
    """The headers that a plugin gets to see, by lower-case name: what the body is, where the next page is, and how
    many requests are left. None that could carry a secret."""
    found = {name: headers[name][:_LONGEST] for name in _SHOWN if name in headers}
    for name in headers:
        if name.lower().startswith(_LIMITS) and len(found) < 20:
            found[name.lower()] = headers[name][:200]
    return found
