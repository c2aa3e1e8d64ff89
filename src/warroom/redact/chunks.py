"""Redaction of a text that comes in chunks, cut anywhere."""

from __future__ import annotations

import codecs
import re

from warroom.redact.redactor import Redactor

HELD = 4096
"""Characters at the end that wait for what follows, beside the longest known value."""
MOST = 262_144
"""Characters without a place to cut: more are taken for one value, and hidden to the end of the line."""
_PLACES = re.compile(r"[\s,;&]")
_TRIES = 24


class ChunkCleaner:
    """``feed`` gives back what is surely clean, ``close`` the rest. What comes out never depends on the chunks' edges.

    A piece is given out once it and what follows, cleaned apart, are the same as cleaned together: no secret lies
    across the cut. A private key waits for its end, however many lines it has.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._hiding = False
        self._tried = 0

    def feed(self, chunk: bytes | str) -> str:
        text = self._decoder.decode(chunk) if isinstance(chunk, bytes) else chunk
        self._held += text
        if self._hiding:
            _, newline, rest = self._held.partition("\n")
            self._held = newline + rest
            self._hiding = not newline
            if self._hiding:
                return ""
        # Where no place to cut was found, one is looked for again when there is twice as much.
        enough = max(2 * self._keep, min(2 * self._tried, MOST - 1))
        return self._given() if len(self._held) > enough else ""

    def close(self) -> str:
        self._held += self._decoder.decode(b"", True)
        held, self._held = self._held, ""
        return "" if self._hiding else self._redactor.clean(held)

    @property
    def _keep(self) -> int:
        return HELD + self._redactor.longest

    def _given(self) -> str:
        text = self._held
        whole = self._redactor.clean(text)
        for cut in self._cuts(text):
            head = self._redactor.clean(text[:cut])
            if head + self._redactor.clean(text[cut:]) == whole:
                self._held, self._tried = text[cut:], 0
                return head
        if len(text) < MOST:
            self._tried = len(text)
            return ""
        self._held, self._hiding, self._tried = "", True, 0
        return whole + self._redactor.redact("unbroken")

    def _cuts(self, text: str) -> list[int]:
        """Places to try, the last one first: after newlines, then after other blanks and separators."""
        end = len(text) - self._keep
        newlines: list[int] = []
        at = text.rfind("\n", 0, end)
        while at >= 0 and len(newlines) < _TRIES:
            newlines.append(at + 1)
            at = text.rfind("\n", 0, max(at - 200, 0))
        others = [match.end() for match in _PLACES.finditer(text, max(0, end - 20_000), end)]
        return newlines + others[-_TRIES:][::-1] + [end]
