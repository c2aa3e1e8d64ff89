"""What is typed into the log's filter and search boxes, and back.

words            all of them must occur            -word         must not occur
"two words"      with blanks in it                 /re/  -/re/   a regular expression
source:web       this source; none of that name: those that begin so             -source:db   not this one
level:error      or level:error,warning, or !error                               -level:debug
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any, get_args

from warroom.errors import BadInput
from warroom.model.live import LogFilter
from warroom.model.signal import Level

HINT = 'words all occur · -word not · "two words" · /regex/ · source:web · level:error or !error'
LEVELS: tuple[Level, ...] = get_args(Level)
_SHORT: dict[str, Level] = {
    "err": "error",
    "errors": "error",
    "warn": "warning",
    "warnings": "warning",
    "none": "unknown",
}
_LONGEST = 300
_TOKEN = re.compile(
    r"""(?P<no>-?)(?:
        (?P<key>source|level):(?:"(?P<quoted>[^"]*)"|(?P<value>\S*))
      | !(?P<level>[A-Za-z,]+)(?=\s|$)
      | "(?P<text>[^"]*)"
      | /(?P<expression>(?:\\.|[^/\\])+)/(?=\s|$)
      | (?P<word>\S+)
    )""",
    re.VERBOSE,
)


def parse(typed: str) -> LogFilter:
    """Raises BadInput, with words for the person who typed it."""
    found: dict[str, list[str]] = {name: [] for name in ("sources", "without", "has", "lacks", "matches", "unlike")}
    wanted: set[Level] = set()
    unwanted: set[Level] = set()
    for token in _TOKEN.finditer(typed):
        no = bool(token["no"])
        if token["key"] == "source":
            name = token["quoted"] or token["value"]
            if not name:
                raise BadInput("source: needs a name", "as in source:web")
            found["without" if no else "sources"].append(name)
        elif token["key"] == "level" or token["level"]:
            (unwanted if no else wanted).update(_levels(token["level"] or token["quoted"] or token["value"] or ""))
        elif token["expression"] is not None:
            found["unlike" if no else "matches"].append(_expression(token["expression"]))
        elif text := token["text"] or token["word"]:
            if text.startswith('"'):
                raise BadInput("The quote is never closed", text)
            found["lacks" if no else "has"].append(text)
    levels = tuple(level for level in LEVELS if level in (wanted or LEVELS) and level not in unwanted)
    if not levels:
        raise BadInput("No level is left", "every one of them is left out")
    try:
        parts: dict[str, Any] = {name: tuple(dict.fromkeys(values)) for name, values in found.items()}
        return LogFilter(**parts, levels=() if len(levels) == len(LEVELS) else levels)
    except ValueError as error:
        raise BadInput("That is too much for one filter", "twenty words and eight expressions are the most") from error


def _levels(said: str) -> Iterable[Level]:
    for name in said.lower().split(","):
        level = _SHORT.get(name, name)
        if level not in LEVELS:
            raise BadInput(f"There is no level “{name[:20]}”", f"there are {', '.join(LEVELS)}")
        yield next(known for known in LEVELS if known == level)


def _expression(typed: str) -> str:
    if len(typed) > _LONGEST:
        raise BadInput("The expression is too long", f"{_LONGEST} letters are the most")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(typed, re.IGNORECASE)
        except (re.error, OverflowError, RecursionError, ValueError) as error:
            raise BadInput("That is no regular expression", str(error)) from error
    return typed


def written(passing: LogFilter) -> str:
    """As one would type it."""
    parts: list[str] = []
    if passing.levels:
        rest = [level for level in LEVELS if level not in passing.levels]
        few = len(passing.levels) <= len(rest)
        parts.append(f"level:{','.join(passing.levels)}" if few else f"-level:{','.join(rest)}")
    parts += [f"source:{_quoted(name)}" for name in passing.sources]
    parts += [f"-source:{_quoted(name)}" for name in passing.without]
    parts += [_word(text) for text in passing.has] + [f"-{_word(text)}" for text in passing.lacks]
    parts += [f"/{text}/" for text in passing.matches] + [f"-/{text}/" for text in passing.unlike]
    return " ".join(parts)


def _quoted(name: str) -> str:
    return f'"{name}"' if re.search(r"\s", name) else name


def _word(text: str) -> str:
    token = _TOKEN.fullmatch(text)
    return text if token is not None and token["word"] == text and not token["no"] else f'"{text}"'


def both(one: LogFilter, other: LogFilter) -> LogFilter | None:
    """What passes both; None where nothing can."""
    levels = tuple(level for level in LEVELS if all(not f.levels or level in f.levels for f in (one, other)))
    sources = one.sources or other.sources
    if one.sources and other.sources:
        sources = tuple(name for name in other.sources if any(name.startswith(known) for known in one.sources))
    if not levels or (not sources and (one.sources or other.sources)):
        return None
    return LogFilter(
        sources=sources,
        without=(*one.without, *other.without),
        levels=() if len(levels) == len(LEVELS) else levels,
        has=(*one.has, *other.has),
        lacks=(*one.lacks, *other.lacks),
        matches=(*one.matches, *other.matches),
        unlike=(*one.unlike, *other.unlike),
        folded=one.folded or other.folded,
    )
