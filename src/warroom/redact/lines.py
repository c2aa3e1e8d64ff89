"""Redaction of one source's log lines, where a secret may span several of them."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

from warroom.redact.control import all_visible, visible
from warroom.redact.patterns import SECRET_KEY, mark
from warroom.redact.redactor import Redactor

_KEY_LINES = 200
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")
_NAME_ALONE = re.compile(r"\\?[\"']?([\w.-]{2,60})\\?[\"']?\s*[:=]\s*[|>]?-?\s*$")
_VALUE_ALONE = re.compile(r"(\s+(?:(?:[Bb]asic|[Bb]earer|[Tt]oken)\s+)?[\"']?)([^\s\"',]{4,})([\"',]*\s*)$")
_ENDINGS = frozenset(":=|>-")


class LogCleaner:
    """Cleans the lines of many sources, each with a ``LineCleaner`` of its own; the newest ``MOST`` are kept."""

    MOST = 256

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._sources: OrderedDict[str, LineCleaner] = OrderedDict()

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Of (source, line) each line, cleaned. Not for several threads at once: the spool calls it under its lock."""
        cleaned = [""] * len(pairs)
        places: dict[str, list[int]] = {}
        for place, (source, _) in enumerate(pairs):
            places.setdefault(source, []).append(place)
        for source, mine in places.items():
            cleaner = self._sources.pop(source, None) or LineCleaner(self._redactor)
            self._sources[source] = cleaner
            while len(self._sources) > self.MOST:
                self._sources.popitem(last=False)
            for place, text in zip(mine, cleaner.clean_all([pairs[at][1] for at in mine]), strict=True):
                cleaned[place] = text
        return cleaned


class LineCleaner:
    """Cleans one source's lines in order, and gives as many back at once: nothing is held.

    What spans lines and is found: a private key to its end; a known value cut by the ends of lines; the value of a
    name that ends the line before, where it stands alone and is indented. Of a known value that began in an earlier
    call only the rest can still be taken out. What can't be seen is a secret that only its looks give away (a token,
    a card number) once a line's end cuts it: its halves look like nothing.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._in_key = 0
        self._name = False
        self._before = ""

    def clean(self, line: str) -> str:
        return self.clean_all([line])[0]

    def clean_all(self, lines: Sequence[str]) -> list[str]:
        """Each without its newline, and cleaned as by ``Redactor.clean(line, keep="\\t")`` at least."""
        if not lines:
            return []
        plain = all_visible(lines, "\n".join(lines))
        raw = list(lines) if plain else [line if line.isprintable() else visible(line, "\t") for line in lines]
        whole = self._without_cut_values(raw)
        cleaned = self._redactor.clean_lines(whole)
        if self._in_key or self._name or any(line[-1:] in _ENDINGS or "PRIVATE KEY" in line for line in raw):
            cleaned = [self._in_order(before, after) for before, after in zip(whole, cleaned, strict=True)]
        return cleaned

    def _without_cut_values(self, lines: list[str]) -> list[str]:
        """Without the known values that lie across the ends of lines; blanks around those ends don't count."""
        grams, longest = self._redactor.grams, self._redactor.longest
        if not grams:
            return lines
        texts = [self._before, *(line.strip() for line in lines)]
        found = lines
        for number in range(1, len(texts)):
            if texts[number][:4] in grams or texts[number - 1][-4:] in grams:
                found = self._across(texts, number, longest, lines if found is lines else found)
        self._before = "".join(texts[-3:])[-longest:]
        return found

    def _across(self, texts: list[str], number: int, longest: int, lines: list[str]) -> list[str]:
        """``lines`` without the known value that lies across the beginning of text ``number``, if one does."""
        first = last = number
        left = right = 0
        while first > 0 and left < longest:
            first -= 1
            left += len(texts[first])
        while last < len(texts) and right < longest:
            right += len(texts[last])
            last += 1
        found = self._redactor.straddling("".join(texts[first:last]), left)
        if found is None:
            return lines
        start, end, kind = found
        self._redactor.redact(kind)
        lines, at = list(lines), 0
        for each in range(first, last):
            begins, ends = max(start - at, 0), min(end - at, len(texts[each]))
            at += len(texts[each])
            if begins < ends and each > 0:
                lines[each - 1] = lines[each - 1].replace(texts[each][begins:ends], mark(kind), 1)
        return lines

    def _in_order(self, raw: str, cleaned: str) -> str:
        if self._in_key:
            self._in_key = 0 if _END.search(raw) else self._in_key - 1
            return self._redactor.redact("private-key")
        if _BEGIN.search(raw) and not _END.search(raw):
            self._in_key = _KEY_LINES
        if self._name and (alone := _VALUE_ALONE.match(cleaned)) and "‹" not in alone[2]:
            cleaned = f"{alone[1]}{self._redactor.redact('password')}{alone[3]}"
        named = _NAME_ALONE.search(raw) if raw[-1:] in _ENDINGS else None
        self._name = named is not None and SECRET_KEY.search(named[1]) is not None
        return cleaned
