"""What a look at the data found: one thing that was looked at, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

MOST_CASES = 100_000
"""Cases are counted this far: beyond it, how many there are makes no difference."""
MOST_KEYS = 3
LONGEST_KEY = 60

Kind = Literal["rule", "foreign-key", "unique-index", "constraint", "index", "sequence", "pages"]
PLURALS: dict[Kind, tuple[str, str]] = {
    "rule": ("rule", "rules"),
    "foreign-key": ("foreign key", "foreign keys"),
    "unique-index": ("unfinished unique index", "unfinished unique indexes"),
    "constraint": ("constraint that is not valid", "constraints that are not valid"),
    "index": ("index that is not valid", "indexes that are not valid"),
    "sequence": ("sequence", "sequences"),
    "pages": ("index read by amcheck", "indexes read by amcheck"),
}


@dataclass(frozen=True)
class Finding:
    """``cases`` None: it could not be looked at, and ``words`` say why; else they say what each case is.

    ``name`` is what it is called, ``public.Conversation.userId``. ``keys`` are those of some of the rows, and no other
    value of theirs is told. ``whole`` False: cases were counted only so far. ``remark``: what is to be known although
    there is no case.
    """

    kind: Kind
    name: str
    cases: int | None
    words: str = ""
    keys: tuple[str, ...] = ()
    whole: bool = True
    remark: str = ""

    @property
    def id(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def sentence(self) -> str:
        """``3 rows of public.Conversation name no public.User in userId (c3, c7, c9)``."""
        if self.cases is None:
            return f"{self.name}: {self.words}"
        keys = f" ({', '.join(self.keys)}{', …' if self.cases > len(self.keys) else ''})" if self.keys else ""
        return f"{'' if self.whole else 'more than '}{self.words}{keys}"


def unknown(kind: Kind, name: str, words: str) -> Finding:
    return Finding(kind, name, None, words)


def counted(kind: Kind, name: str, cases: int, one: str, more: str, rows: Sequence[str | None] = ()) -> Finding:
    """``one`` and ``more`` have the number at ``#``. ``rows``: keys as the server writes a row, ``(c3)``."""
    shown = min(cases, MOST_CASES)
    words = (one if shown == 1 else more).replace("#", f"{shown:,}", 1) if cases else ""
    keys = tuple(key_text(row) for row in rows[:MOST_KEYS] if row is not None)
    return Finding(kind, name, shown, words, keys, whole=cases <= MOST_CASES)


def key_text(row: str) -> str:
    """A key's row without what the server puts around it, on one line and cut."""
    inner = row[1:-1] if row.startswith("(") and row.endswith(")") else row
    line = " ".join(inner.split())
    return line if len(line) <= LONGEST_KEY else line[: LONGEST_KEY - 1] + "…"


def accepted(found: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
    """Without the cases of what somebody has declared to be known, by its name."""
    known = frozenset(names)
    return [replace(one, cases=0, keys=(), whole=True) if one.cases and one.name in known else one for one in found]


def looked_at(found: Sequence[Finding]) -> str:
    """``12 foreign keys, 2 rules, 3 sequences, constraints and indexes by their marks``: what could be told about."""
    return ", ".join([*by_kind(found), "constraints and indexes by their marks"])


def by_kind(found: Sequence[Finding]) -> list[str]:
    """``2 rules``, ``3 sequences``: of what could be told about."""
    kinds = [one.kind for one in found if one.cases is not None]
    return [
        f"{number:,} {PLURALS[kind][number != 1]}"
        for kind in PLURALS
        if kind not in ("constraint", "index") and (number := kinds.count(kind))
    ]
