"""Secrets and control bytes, once, at ingress: whatever comes from outside passes ``Redactor.clean`` before it is kept.

First every control sequence becomes visible, so that nothing hides in it and no terminal obeys it; then known secret
values, in the forms they travel in; then a set of patterns. Each pattern has literals that must stand in the text
before its expression is tried, so that ordinary lines cost a few substring searches.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from warroom.redact.patterns import MARK, SECRET_KEY, forms, mark, worth_hiding, worth_trying

__all__ = ["LineCleaner", "Redactor", "visible"]

_MOST_PASSES = 5
_RUN, _STRIDE = 5, 4
_KEY_LINES = 200
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")

_OPENING = re.compile(r"\\?[\"']")

# Colours carry no meaning in evidence, and splitting a word with them must not hide it.
_COLOUR = re.compile(r"(?:\x1b\[|\x9b)[0-9;:]*m")
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str, keep: str = "\n\t") -> str:
    """``text`` with every control, escape, bidi and zero-width character drawn: ``␛``, ``␀``, ``‹U+202E›``.

    Colour sequences are dropped. Characters in ``keep`` stay as they are. Lone surrogates are drawn too.
    """
    if text.isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = _COLOUR.sub("", text)
    return _UNSEEN.sub(lambda m: m[0] if m[0] in keep else _picture(m[0]), text)


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"


class Redactor:
    """Cleans text. ``counts`` says how many of each kind were redacted, by pattern or by the secret's name."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._runs: set[str] = set()
        self._short: set[str] = set()
        self._known_re: re.Pattern[str] | None = None
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        return dict(self._counts)

    def register(self, value: str, name: str) -> bool:
        """Redacts this exact value from now on, also URL-encoded, base64, JSON-escaped and quoted for a shell or SQL.

        False, and nothing registered, when it is too short or too ordinary a word: hiding it would shred plain text.
        """
        if not worth_hiding(value):
            return False
        kind = re.sub(r"[^\w.:-]+", "-", name)[:40] or "secret"
        for form in map(visible, forms(value)):
            self._known.setdefault(form, kind)
            if len(form) < _RUN + _STRIDE - 1:
                self._short.add(form)
            else:
                self._runs |= {form[i : i + _RUN] for i in range(_STRIDE)}
        longest_first = sorted(self._known, key=lambda form: (-len(form), form))
        self._known_re = re.compile("|".join([MARK.pattern, *map(re.escape, longest_first)]))
        return True

    def clean(self, text: str, keep: str = "\n\t") -> str:
        """Visible and redacted. Cleaning again changes nothing."""
        text = visible(text, keep)
        for _ in range(_MOST_PASSES):
            before = text
            text = self._patterns(self._exact(text))
            if text == before:
                break
        return text

    def clean_lines(self, lines: Sequence[str]) -> list[str]:
        """Each line as by ``clean(line, keep="\\t")``. Cheaper for many: they are looked at together first."""
        seen = [visible(line, "\t") for line in lines]
        if not self._suspicious("\n".join(seen)):
            return seen
        return [self.clean(line, "\t") for line in seen]

    def clean_json(self, value: JsonValue) -> JsonValue:
        """Every text in it cleaned, keys too; a text under a key that names a secret is redacted whole.

        A Call's reference to a secret (``{"secret": NAME, "prefix": …}``) holds a name only, and stays usable.
        """
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, list):
            return [self.clean_json(item) for item in value]
        if isinstance(value, dict):
            if value.keys() == {"secret", "prefix"}:
                return {key: self.clean_json(item) for key, item in value.items()}
            return {self.clean(key): self._under(key, item) for key, item in value.items()}
        return value

    def lines(self) -> LineCleaner:
        """For one source of lines, in order."""
        return LineCleaner(self)

    def redact(self, kind: str) -> str:
        """The mark for something redacted elsewhere; counted."""
        self._counts[kind] += 1
        return mark(kind)

    def _under(self, key: str, value: JsonValue) -> JsonValue:
        if isinstance(value, str) and value and SECRET_KEY.search(key) and not MARK.fullmatch(value):
            return self.redact("password")
        return self.clean_json(value)

    def _suspicious(self, text: str) -> bool:
        return self._near_known(text) or bool(worth_trying(text))

    def _near_known(self, text: str) -> bool:
        """Whether a known form may stand in ``text``: every fourth run of five characters is looked up.

        A form of eight characters or more, wherever it stands, covers one of those runs.
        """
        if not self._known:
            return False
        runs = [text[i : i + _RUN] for i in range(0, len(text), _STRIDE)]
        return not self._runs.isdisjoint(runs) or any(form in text for form in self._short)

    def _exact(self, text: str) -> str:
        if self._known_re is None or not self._near_known(text):
            return text
        return self._known_re.sub(self._known_mark, text)

    def _known_mark(self, match: re.Match[str]) -> str:
        kind = self._known.get(match[0])
        return match[0] if kind is None else self.redact(kind)

    def _patterns(self, text: str) -> str:
        for pattern in worth_trying(text):
            text = pattern.expression.sub(self._replacing(pattern.kind, pattern.accept), text)
        return text

    def _replacing(self, kind: str, accept: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
        """Replaces the group ``value`` of a match, or all of it, unless it is a mark already or no secret."""

        def replace(match: re.Match[str]) -> str:
            group: str | int = "value" if "value" in match.re.groupindex else 0
            found = match[group]
            opening = _OPENING.match(found)
            value = found[opening.end() :] if opening else found
            if not value or MARK.fullmatch(value) or not accept(value):
                return match[0]
            end = match.end(group) - match.start()
            return match[0][: end - len(value)] + self.redact(kind) + match[0][end:]

        return replace


class LineCleaner:
    """Cleans one source's lines in order: a private key that comes line by line is redacted to its end."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._in_key = 0

    def clean(self, line: str) -> str:
        if self._in_key:
            self._in_key = 0 if _END.search(line) else self._in_key - 1
            return self._redactor.redact("private-key")
        if _BEGIN.search(line) and not _END.search(line):
            self._in_key = _KEY_LINES
        return self._redactor.clean(line, "\t")
