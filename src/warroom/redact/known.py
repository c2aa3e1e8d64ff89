"""Values that are known to be secret: the forms in which they travel, and how they are found in a flood of text."""

from __future__ import annotations

import base64
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from warroom.redact.patterns import MARK, names_a_secret

SHORTEST = 6
_LONG, _SHORT = 8, 4
"""Bytes of the windows that are looked up: of every form of at least 15 bytes, and of those of at least 7."""

# Values that are set as passwords in every second example, and are words of every second log line.
_ORDINARY_WORDS = """
    postgres postgresql password passwd secret secrets changeme default localhost example admin administrator
    production staging development database redacted warroom docker kubernetes service system public private
    master replica primary backup monitor release version account session request response unknown undefined
    disabled enabled required optional function username hostname
"""
_ORDINARY = frozenset(_ORDINARY_WORDS.split())
# Each begins with what is seldom there and has bounds: a value of a megabyte is looked through once.
_USERINFO = re.compile(r"(?<=[\w+.-])://([^\s/?#@\"'<>]{0,1024}(?:/[^\s?#@\"'<>]{0,512})?)@")
_PAIR = re.compile(r"(?:^|[\s;&?,])([\w .-]{2,40}?)\s{0,8}=\s{0,8}('[^'\n]{0,4096}'|\"[^\"\n]{0,4096}\"|[^\s;&'\"]+)")


def worth_hiding(value: str) -> bool:
    """Long enough, and no ordinary word or number: at least 6 characters, 8 where they are all letters or digits."""
    plain = value.strip()
    if len(plain) < SHORTEST or plain.lower() in _ORDINARY or MARK.search(plain):
        return False
    return len(plain) >= 8 or not (plain.isalpha() or plain.isdigit())


def parts(value: str) -> Iterator[str]:
    """The secrets within a connection string, a query, ``NAME=value`` lines or a JSON document.

    A user's name is one only where no password follows it, as in an address that holds a key: hiding ``app`` would
    shred plain text, and a name opens nothing.
    """
    for match in _USERINFO.finditer(value):
        user, colon, password = match[1].partition(":")
        secret = password if colon else user
        yield from {secret, unquote(secret), unquote_plus(secret)}
    for match in _PAIR.finditer(value):
        if names_a_secret(match[1].replace(" ", "")):
            plain = match[2].strip("'\"")
            yield from {plain, unquote(plain)}
    if value.lstrip()[:1] == "{":
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return
        if isinstance(document, dict):
            yield from (v for k, v in document.items() if isinstance(v, str) and names_a_secret(k))


def forms(value: str) -> Iterator[str]:
    """The value as it may stand in text, the longest forms not first. Each line of a longer value counts for itself."""
    plain = value.strip()
    seen = {value, plain}
    for text in (value, plain):
        seen |= _escaped(text)
        seen |= set(_base64(text.encode("utf-8", "surrogatepass")))
    for line in plain.splitlines():
        if len(line.strip()) >= 16 and worth_hiding(line):
            seen |= {line.strip(), *_base64(line.strip().encode("utf-8", "surrogatepass"))}
    yield from sorted(form for form in seen if len(form) >= SHORTEST)


def _escaped(text: str) -> set[str]:
    url = {quote(text, safe="", errors="replace"), quote(text, errors="replace"), quote_plus(text, errors="replace")}
    lower_hex = {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), form) for form in url}
    one = json.dumps(text)[1:-1]
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    go = plain.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    escaped = {one, plain, go, one.replace("/", "\\/"), json.dumps(one)[1:-1], repr(text)[1:-1]}
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    single = {html, html.replace("'", "&#x27;"), html.replace("'", "&#39;")}
    return {*url, *lower_hex, *escaped, *single, shlex.quote(text).strip("'"), text.replace("'", "''")}


def _base64(data: bytes) -> Iterator[str]:
    """The base64 of ``data``, and the characters it always gives within that of something longer (``user:secret``)."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            text = encode(b"\0" * before + data).decode()
            # Characters that mix in a neighbour's bits are not ours.
            inner = text[(0, 2, 3)[before] : len(text) - (0, 3, 2)[(len(data) + before) % 3]]
            if len(inner) >= 8:
                yield inner
        yield encode(data).decode()


class Known:
    """Immutable. ``find`` says which known forms stand in a text, by looking up every eighth (fourth) run of bytes.

    A form wherever it stands covers one of those runs whole; which of its runs those may be, one for each alignment,
    is chosen so that ordinary text has few of them.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        """``kinds``: form → the name that its mark shows."""
        self.kinds = dict(kinds)
        self.longest = max((len(form) for form in self.kinds), default=0)
        self.grams = frozenset(
            form[at : at + 4] for form in self.kinds if len(form) >= 8 for at in range(len(form) - 3)
        )
        self._tiny = [form for form in self.kinds if len(form.encode()) < 2 * _SHORT - 1]
        runs: dict[int, dict[int, list[str]]] = {_LONG: {}, _SHORT: {}}
        for form in self.kinds:
            data = form.encode("utf-8", "replace")
            if len(data) >= 2 * _SHORT - 1:
                size = _LONG if len(data) >= 2 * _LONG - 1 else _SHORT
                for run in _rarest(data, size):
                    runs[size].setdefault(int.from_bytes(run, sys.byteorder), []).append(form)
        self._runs = [(size, frozenset(known), known) for size, known in runs.items() if known]

    def runs(self, data: bytes) -> list[tuple[bytes, list[str]]]:
        """Runs of bytes in ``data`` that a known form may cover, each with those forms. Mostly none."""
        found: list[tuple[bytes, list[str]]] = []
        for size, runs, known in self._runs:
            view = memoryview(data + b"\0" * (-len(data) % size)).cast("Q" if size == _LONG else "I")
            if not runs.isdisjoint(view):
                hits = runs.intersection(view)
                found += [(hit.to_bytes(size, sys.byteorder), known[hit]) for hit in hits]
        return found + [(form.encode(), [form]) for form in self._tiny if form.encode() in data]

    def find(self, text: str) -> list[str]:
        """The known forms that stand in ``text``, the longest first."""
        if not self.kinds:
            return []
        maybe = {form for _, forms_ in self.runs(text.encode("utf-8", "replace")) for form in forms_}
        return sorted((form for form in maybe if form in text), key=lambda form: (-len(form), form))


def _rarest(data: bytes, size: int) -> Iterator[bytes]:
    """For each alignment, the run of ``data`` that ordinary text is least likely to have."""
    for alignment in range(size):
        starts = range(alignment, len(data) - size + 1, size)
        yield min((data[at : at + size] for at in starts), key=lambda run: (_plainness(run), run))


def _plainness(run: bytes) -> int:
    return sum(1 for byte in run if chr(byte).islower() or chr(byte) in " 0")
