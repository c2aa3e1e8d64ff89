"""Just enough of PromQL's grammar to know what an expression reads: its selectors and its ranges.

The server alone decides whether an expression is right; this only splits it into words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:ms|[smhdwy]))+|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?\.?)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>@,:.(){}\[\]$])
    """,
    re.VERBOSE,
)
PART = "warroom"
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"})
_CLOSES = {"(": ")", "{": "}", "[": "]"}
_DURATION = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def checked(query: str) -> str:
    """The expression as it is. Raises ``ValueError`` for what is no expression: unclosed texts and brackets."""
    open_brackets: list[str] = []
    tokens = list(_tokens(query))
    if not tokens:
        raise ValueError("a PromQL expression was expected")
    for token in tokens:
        if token.kind != "sign":
            continue
        if token.text in _CLOSES:
            open_brackets.append(_CLOSES[token.text])
        elif token.text in _CLOSES.values() and (not open_brackets or open_brackets.pop() != token.text):
            raise ValueError(f"{token.text!r} at character {token.start + 1} closes nothing")
    if open_brackets:
        raise ValueError(f"{open_brackets[-1]!r} is missing at the end")
    return query


def selectors(query: str) -> tuple[str, ...]:
    """The series that an expression reads, each once, without ranges and offsets: ``up{job="x"}``."""
    tokens = list(_tokens(query))
    found: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.kind == "name" and token.text.lower() in _GROUPING:
            place = _closed(tokens, place + 1) if after == "(" else place + 1
        elif token.kind == "name" and (
            token.text.lower() in _WORDS or after == "(" or after.lower() in ("by", "without")
        ):
            place += 1
        elif token.kind == "name" or token.text == "{":
            end = place + (token.kind == "name")
            place = _closed(tokens, end) if token.text == "{" or after == "{" else place + 1
            found.append(query[token.start : tokens[place - 1].end])
        elif token.text == "[":
            place = _closed(tokens, place)
        else:
            place += 1
    return tuple(dict.fromkeys(found))


def ranges(query: str) -> tuple[float, ...]:
    """The ranges that an expression looks back over, in seconds, each once: ``[5m]`` is 300, a subquery its first."""
    tokens = list(_tokens(query))
    found = [
        sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(tokens[place + 1].text))
        for place, token in enumerate(tokens[:-1])
        if token.text == "[" and tokens[place + 1].kind == "number"
    ]
    return tuple(dict.fromkeys(found))


def newest(query: str) -> str:
    """An expression for the time of the newest sample that ``query`` reads; empty where it reads no series.

    Of anything but a selector ``timestamp()`` gives the time of the question, so each selector is asked by itself.
    """
    each = [
        f'label_replace(max(timestamp({one})), "{PART}", "{place}", "", "")'
        for place, one in enumerate(selectors(query))
    ]
    return f"max({' or '.join(each)})" if each else ""


def together(parts: Mapping[str, str]) -> str:
    """One expression for several, evaluated at one moment: each one's series bear its name as the label ``PART``.

    Each must give an instant vector; of anything else the server says that the expression is wrong.
    """
    return " or ".join(f'label_replace((\n{query}\n), "{PART}", "{name}", "", "")' for name, query in parts.items())


def histograms(query: str) -> tuple[str, ...]:
    """The bucket series that a ``histogram_quantile`` in the expression is read from."""
    if "histogram_quantile" not in query:
        return ()
    return tuple(one for one in selectors(query) if "_bucket" in one)


def _closed(tokens: list[_Token], place: int) -> int:
    """The place after the bracket that closes the one at ``place``."""
    depth = 0
    while place < len(tokens):
        if tokens[place].kind == "sign":
            depth += (tokens[place].text in _CLOSES) - (tokens[place].text in _CLOSES.values())
        place += 1
        if depth <= 0:
            break
    return place


def _tokens(query: str) -> Iterator[_Token]:
    place = 0
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            raise ValueError(f"{query[place : place + 10]!r} at character {place + 1} can't be read as PromQL")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match[0], match.start(), match.end())
        place = match.end()
