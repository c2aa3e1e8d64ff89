"""A mistake in a runbook: where it stands, what was found there and what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from warroom.errors import BadInput

MOST_SHOWN = 60
MOST_LISTED = 24


@dataclass(frozen=True, slots=True, order=True)
class Pos:
    """A place in a file; line and column count from 1, the column in characters."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """``str(problem)`` is ``file:line:column: what was found, what was expected``, on one line."""

    pos: Pos
    found: str
    expected: str
    hint: str = ""

    @property
    def file(self) -> str:
        return self.pos.file

    @property
    def line(self) -> int:
        return self.pos.line

    @property
    def column(self) -> int:
        return self.pos.column

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{plain(self.file)}:{self.line}:{self.column}: found {self.found}, expected {self.expected}{hint}"


class RunbookInvalid(BadInput):
    """``problems`` are all that were found, in the order in which they stand in the file."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        many = f"{len(self.problems)} mistakes" if len(self.problems) > 1 else "a mistake"
        cause = "; ".join(str(problem) for problem in self.problems[:3])
        super().__init__(f"The runbook {plain(file)} has {many}", cause, "warroom check lists every one with its place")


class RunbookMissing(RunbookInvalid):
    """There is no file of that name."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__(file, problems)
        self.title, self.cause = f"There is no runbook {plain(file)}", ""
        self.hint = "warroom init writes one to begin with, and -f names another file"


def in_order(problems: Iterable[Problem], first_file: str) -> list[Problem]:
    """Each problem once, those of ``first_file`` first, by line and column."""
    return sorted(set(problems), key=lambda p: (p.file != first_file, p.file, p.line, p.column, p.found, p.expected))


def plain(text: str) -> str:
    """The text with every character that does not print (controls, bidi) written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(text: str) -> str:
    """The text as it may be shown: on one line, without control characters, cut where it is long."""
    cut = text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"
    return f'"{plain(cut)}"'


def one_of(names: Iterable[str]) -> str:
    """``one of a, b, c``, for a set of names of any size."""
    listed = [plain(name) for name in names]
    if not listed:
        return "one that is declared, and none is"
    if len(listed) == 1:
        return listed[0]
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    return f"one of {', '.join(listed[:MOST_LISTED])}{more}"


def meant(text: str, names: Iterable[str]) -> str:
    """``did you mean "x"?`` where a name is near enough; else empty."""
    near = get_close_matches(text[:80], list(names), n=1, cutoff=0.6)
    return f"did you mean {quoted(near[0])}?" if near else ""
