"""Cleans text: control bytes made visible, known secrets and what looks like one taken out."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import JsonValue

from warroom.redact.control import all_visible, visible
from warroom.redact.known import Known, forms, parts, worth_hiding
from warroom.redact.patterns import MARK, SECRET_KEY, Pattern, mark, names_a_secret
from warroom.redact.prefilter import Lines, suspects, worth_trying

_MOST_PASSES = 5
_REFERENCE = re.compile(r"(‹secret: [^‹›\n]{1,80}›)")
_OPENING = re.compile(r"\\?[\"']")
_KINDS_APART = re.compile(f"({MARK.pattern})")


class Redactor:
    """Safe for several threads. ``counts`` says how many of each kind were redacted, by pattern or secret's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: dict[str, str] = {}
        self._known: Known | None = Known({})
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._counts)

    @property
    def longest(self) -> int:
        """Characters of the longest form of a known value."""
        return self._knowing().longest

    @property
    def grams(self) -> frozenset[str]:
        """Every four characters in a row of a known value: what a line ends or begins with that cuts one."""
        return self._knowing().grams

    def register(self, value: str, name: str) -> bool:
        """Redacts this exact value from now on, also URL-encoded, base64, JSON-escaped and quoted for a shell or SQL.

        The passwords within a connection string count for themselves too. False, and nothing registered, when it is
        too short or too ordinary a word: hiding it would shred plain text.
        """
        kind = re.sub(r"[^\w.:-]+", "-", name)[:40] or "secret"
        new = {visible(form): kind for each in (value, *parts(value)) if worth_hiding(each) for form in forms(each)}
        with self._lock:
            if not new.keys() <= self._forms.keys():
                self._forms = {**new, **self._forms}
                self._known = None
        return worth_hiding(value)

    def register_settings(self, settings: Mapping[str, str], of: str) -> None:
        """An environment or a configuration, by name: what its name calls a secret, and passwords in addresses.

        ``of`` says whose it is: ``env``, or a container's name.
        """
        for name, value in settings.items():
            if names_a_secret(name):
                self.register(value, f"{of}:{name}")
            else:
                for part in parts(value):
                    self.register(part, f"{of}:{name}")

    def clean(self, text: str, keep: str = "\n\t") -> str:
        """Visible and redacted. Cleaning again changes nothing."""
        text = visible(text, keep)
        for _ in range(_MOST_PASSES):
            before = text
            text = self._patterns(self.known_only(text), worth_trying(text))
            if text == before:
                break
        return text

    def clean_call(self, text: str) -> str:
        """A Call as it can be pasted: references to secrets stay as they stand, what lies between them is cleaned.

        A pattern that reads over a reference would take the name for the secret, and hide what is to be filled in.
        """
        text = self.known_only(visible(text))
        parts = _REFERENCE.split(text)
        return "".join(part if index % 2 else self.clean(part) for index, part in enumerate(parts))

    def clean_lines(self, lines: Sequence[str]) -> list[str]:
        """Each line as by ``clean(line, keep="\\t")``, many times as fast: they are looked at together first."""
        seen = list(lines)
        joined = "\n".join(seen)
        if not all_visible(seen, joined):
            seen = [visible(line, "\t") for line in seen]
            joined = "\n".join(seen)
        data = joined.encode("utf-8", "replace")
        known = self._known_lines(data)
        for line, patterns in suspects(data).items():
            if line not in known and self._patterns(seen[line], patterns, try_only=True) != seen[line]:
                known.add(line)
        for line in known:
            seen[line] = self.clean(seen[line], "\t")
        return seen

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
            if _secret_variable(value):
                value = {**value, "value": self.redact("password")}
            return {self.clean(key): self._under(key, item) for key, item in value.items()}
        return value

    def holds_secret(self, value: JsonValue) -> bool:
        """Whether something would be redacted in it, or was: a known secret, what looks like one, or a variable's
        ``value`` beside a ``name`` that says so. What a key is called alone tells nothing: an API's keys hold names.
        """
        if isinstance(value, str):
            seen = visible(value)
            return MARK.search(seen) is not None or self.clean(seen) != seen
        if isinstance(value, list):
            return any(self.holds_secret(item) for item in value)
        if isinstance(value, dict):
            return _secret_variable(value) or any(
                self.holds_secret(key) or self.holds_secret(item) for key, item in value.items()
            )
        return False

    def redact(self, kind: str) -> str:
        """The mark for something redacted elsewhere; counted."""
        with self._lock:
            self._counts[kind] += 1
        return mark(kind)

    def known_only(self, text: str) -> str:
        """Known values taken out, outside of marks."""
        found = self._knowing().find(text)
        if not found:
            return text
        alternatives = re.compile("|".join(map(re.escape, found)))
        kinds = self._knowing().kinds
        pieces = _KINDS_APART.split(text)
        return "".join(
            piece if index % 2 else alternatives.sub(lambda match: self.redact(kinds[match[0]]), piece)
            for index, piece in enumerate(pieces)
        )

    def straddling(self, text: str, edge: int) -> tuple[int, int, str] | None:
        """(start, end, kind) of a known value in ``text`` that lies across ``edge``; None when none does."""
        for form in self._knowing().find(text):
            at = text.find(form, max(0, edge - len(form) + 1), edge + len(form) - 1)
            if at >= 0 and at < edge < at + len(form):
                return at, at + len(form), self._knowing().kinds[form]
        return None

    def _knowing(self) -> Known:
        known = self._known
        while known is None:
            with self._lock:
                known = self._known = Known(self._forms)
        return known

    def _known_lines(self, data: bytes) -> set[int]:
        """The numbers of the lines in which a known value may stand."""
        lines, numbers = Lines(data), set[int]()
        for run, _ in self._knowing().runs(data):
            at = data.find(run)
            while at >= 0:
                numbers.add(lines.at(at))
                at = data.find(run, at + 1)
        return numbers

    def _under(self, key: str, value: JsonValue) -> JsonValue:
        if isinstance(value, str) and value and SECRET_KEY.search(key) and not MARK.fullmatch(value):
            return self.redact("password")
        return self.clean_json(value)

    def _patterns(self, text: str, patterns: Iterable[Pattern], *, try_only: bool = False) -> str:
        """``try_only`` counts nothing: only whether something would be replaced is asked."""
        for pattern in patterns:
            text = pattern.expression.sub(self._replacing(pattern, mark if try_only else self.redact), text)
        return text

    def _replacing(self, pattern: Pattern, hide: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        """Replaces the group ``value`` of a match, or all of it, unless it is a mark already or no secret."""

        def replace(match: re.Match[str]) -> str:
            group: str | int = "value" if "value" in match.re.groupindex else 0
            found = match[group]
            opening = _OPENING.match(found)
            value = found[opening.end() :] if opening else found
            if not value or MARK.fullmatch(value) or not pattern.accept(match, value):
                return match[0]
            end = match.end(group) - match.start()
            return match[0][: end - len(value)] + hide(pattern.kind) + match[0][end:]

        return replace


def _secret_variable(value: Mapping[str, JsonValue]) -> bool:
    """``{"name": "DB_PASSWORD", "value": …}``, as an API writes a variable."""
    name, found = value.get("name"), value.get("value")
    return isinstance(name, str) and isinstance(found, str) and names_a_secret(name) and worth_hiding(found)
