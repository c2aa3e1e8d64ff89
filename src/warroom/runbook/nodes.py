"""YAML as plain nodes that know where they stand.

Only the parser's events are used: nothing is ever constructed from a tag, and scalars are read by the core schema of
YAML 1.2, so that ``no``, ``on`` and ``12:30`` are texts, as they look. Nesting and what aliases expand to are bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from warroom.runbook.problems import Pos, Problem, RunbookInvalid, quoted
from warroom.runbook.source import REFUSED

if TYPE_CHECKING:
    import yaml

MOST_DEPTH = 32
MOST_NODES = 50_000
MOST_DIGITS = 40

_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """``block`` says that the text stands in lines of its own, under the ``|`` at ``pos``."""

    pos: Pos
    value: str | int | float | bool | None
    block: bool = False


@dataclass(frozen=True, slots=True)
class Seq:
    pos: Pos
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """``entries`` maps each key to the place of the key and its value."""

    pos: Pos
    entries: dict[str, tuple[Pos, Node]]


@dataclass(frozen=True, slots=True)
class Bad:
    """Stands where something was refused; the problem is already told."""

    pos: Pos


Node = Scalar | Seq | Map | Bad


@dataclass(frozen=True, slots=True)
class Composed:
    root: Node
    problems: tuple[Problem, ...]


def compose(text: str, file: str) -> Composed:
    """The one document of the text. Lesser mistakes are returned; ``RunbookInvalid`` is for what can't be read on."""
    import yaml

    builder = _Builder(file)
    events = _events(text)
    try:
        root = builder.document(events)
    except yaml.YAMLError as error:
        builder.problems.append(_syntax(error, text, file))
        raise RunbookInvalid(file, builder.problems) from None
    except _Refused as refused:
        raise RunbookInvalid(file, [*builder.problems, refused.problem]) from None
    return Composed(root, tuple(builder.problems))


def as_json(node: Node) -> JsonValue:
    """The node's plain value. Only for nodes that ``compose`` bounded."""
    if isinstance(node, Map):
        return {key: as_json(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Seq):
        return [as_json(item) for item in node.items]
    return node.value if isinstance(node, Scalar) else None


def lookup(root: Node, path: tuple[str | int, ...]) -> tuple[Pos, Node]:
    """The place of the key (else of the value) and the value at ``path``, as far as it goes.

    Parts that are not in the tree are passed over: pydantic puts a union's tag among the real ones.
    """
    pos, node = root.pos, root
    for part in path:
        if isinstance(node, Map) and isinstance(part, str) and part in node.entries:
            pos, node = node.entries[part]
        elif isinstance(node, Seq) and isinstance(part, int) and 0 <= part < len(node.items):
            node = node.items[part]
            pos = node.pos
    return pos, node


def described(node: Node) -> str:
    """What stands there, in words: ``the text "x"``, ``the number 5``, ``a list``."""
    if isinstance(node, Map):
        return "a group of keys"
    if isinstance(node, Seq):
        return "a list"
    if isinstance(node, Bad) or node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if isinstance(node.value, (int, float)):
        return f"the number {node.value:g}" if abs(node.value) < 1e15 else "a very large number"
    return f"the text {quoted(node.value)}"


def _events(text: str) -> Iterator[Any]:
    """The parser's events, one at a time: the C parser where PyYAML has it, for its speed."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    yield from yaml.parse(text, Loader=loader)


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _Anchor:
    pos: Pos
    node: Node | None = None
    size: int = 0
    height: int = 0


@dataclass(slots=True)
class _Builder:
    """Turns events into nodes. ``size`` counts every node as often as it is used, aliases expanded."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, _Anchor] = field(default_factory=dict)
    size: int = 0
    height: int = 0

    def document(self, events: Iterator[Any]) -> Node:
        import yaml

        root: Node | None = None
        for event in events:
            if isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)):
                continue
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Refused(Problem(self._pos(event), "a second document", "one document in the file"))
                continue
            root = self._node(event, events, 1)
        if root is None:
            raise _Refused(Problem(Pos(self.file, 1, 1), "an empty file", "a runbook", "warroom init writes one"))
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        import yaml

        pos = self._pos(event)
        if depth > MOST_DEPTH:
            raise _Refused(Problem(pos, f"more than {MOST_DEPTH} levels of nesting", "fewer"))
        self._grow(1, pos)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, pos, depth)
        if event.tag is not None:
            self._wrong(pos, f"the tag {quoted(event.tag)}", "a plain value without a tag")
        anchor = _Anchor(pos) if event.anchor is not None else None
        before, self.height, outer = self.size, 1, self.height
        if anchor is not None:
            self.anchors[event.anchor] = anchor
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event, pos)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(pos, events, depth)
        else:
            node = self._mapping(pos, events, depth)
        if event.tag is not None:
            node = Bad(pos)
        if anchor is not None:
            anchor.node, anchor.size, anchor.height = node, self.size - before + 1, self.height
        self.height = max(outer, self.height + 1)
        return node

    def _alias(self, name: str | None, pos: Pos, depth: int) -> Node:
        anchor = self.anchors.get(name or "")
        if name is None or anchor is None:
            self._wrong(pos, f"the alias {quoted(f'*{name}')}", "one whose anchor stands before it")
            return Bad(pos)
        if anchor.node is None:
            raise _Refused(Problem(pos, f"the alias {quoted('*' + name)} inside its own anchor", "no cycle"))
        if depth + anchor.height > MOST_DEPTH:
            raise _Refused(Problem(pos, f"aliases that nest more than {MOST_DEPTH} levels", "fewer"))
        self._grow(anchor.size, pos)
        self.height = max(self.height, anchor.height + 1)
        return anchor.node

    def _grow(self, by: int, pos: Pos) -> None:
        self.size += by
        if self.size > MOST_NODES:
            raise _Refused(Problem(pos, f"more than {MOST_NODES:,} values, aliases expanded", "fewer"))

    def _sequence(self, pos: Pos, events: Iterator[Any], depth: int) -> Seq:
        import yaml

        items: list[Node] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, depth + 1))
        return Seq(pos, tuple(items))

    def _mapping(self, pos: Pos, events: Iterator[Any], depth: int) -> Map:
        import yaml

        entries: dict[str, tuple[Pos, Node]] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key_pos, key = self._pos(event), self._key(event, events, depth)
            value = self._node(next(events), events, depth + 1)
            if key is None:
                continue
            if key in entries:
                first = entries[key][0].line
                self._wrong(key_pos, f"the key {quoted(key)} again", f"it once: it stands on line {first} already")
            else:
                entries[key] = (key_pos, value)
        return Map(pos, entries)

    def _key(self, event: Any, events: Iterator[Any], depth: int) -> str | None:
        """The key's text, or None where it is no key (which is told)."""
        node = self._node(event, events, depth + 1)
        if not isinstance(node, Scalar):
            self._wrong(self._pos(event), f"{described(node)} as a key", "a name")
        elif not isinstance(node.value, str):
            self._wrong(node.pos, f"{described(node)} as a key", "a name (put it in quotes if it is one)")
        elif node.value == "<<" and not event.style:
            self._wrong(node.pos, "a merge key", "the keys themselves, written out")
        else:
            return node.value
        return None

    def _scalar(self, event: Any, pos: Pos) -> Node:
        text: str = event.value
        odd = REFUSED.search(text)
        if odd:
            self._wrong(
                pos, f"the character U+{ord(odd[0]):04X}, written as an escape", "text that can be shown as it is"
            )
            return Bad(pos)
        if event.style:  # the C parser says "" for a plain scalar, the other None
            return Scalar(pos, text, block=event.style in ("|", ">"))
        if text in _WORDS:
            return Scalar(pos, _WORDS[text])
        if _NOT_A_NUMBER.fullmatch(text):
            self._wrong(pos, quoted(text), "a number that JSON has too")
            return Bad(pos)
        for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
            if pattern.fullmatch(text):
                return self._number(pos, text, base)
        return self._number(pos, text, 0) if _FLOAT.fullmatch(text) else Scalar(pos, text)

    def _number(self, pos: Pos, text: str, base: int) -> Node:
        """``base`` 0 is a float."""
        if len(text) <= MOST_DIGITS:
            value = int(text, base) if base else float(text)
            if math.isfinite(value):
                return Scalar(pos, value)
        self._wrong(pos, f"a number of {len(text)} characters, {quoted(text)}", "a smaller one")
        return Bad(pos)

    def _pos(self, event: Any) -> Pos:
        return Pos(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _wrong(self, pos: Pos, found: str, expected: str) -> None:
        self.problems.append(Problem(pos, found, expected))


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """The parser's own words, in ours where people meet them most."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    words = str(getattr(error, "problem", None) or "text that is not YAML")
    if mark is None:
        return Problem(Pos(file, 1, 1), quoted(words), "YAML")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    # The parser points at the line's first character, where the tab may stand further right.
    head = line[: len(line) - len(line.lstrip(" \t"))]
    pos = Pos(file, mark.line + 1, mark.column + 1)
    if "\t" in head and mark.column <= len(head):
        return Problem(Pos(file, mark.line + 1, head.index("\t") + 1), "a tab in the indentation", "spaces")
    return Problem(pos, _FOUND.get(words, f"text that YAML can't read ({words})"), *_expected(error, words))


_FOUND = {
    "mapping values are not allowed in this context": 'a second ":" in the line',
    "mapping values are not allowed here": 'a second ":" in the line',
    "found unexpected end of stream": "the end of the file",
    "could not find expected ':'": 'a line without ":"',
    "found character that cannot start any token": "a character that can't begin a value",
}


def _expected(error: yaml.YAMLError, words: str) -> tuple[str, str]:
    """What was expected, and a hint."""
    if words.startswith("mapping values are not allowed"):
        return 'one "key: value"', 'put a value that holds ": " in quotes'
    if words == "found unexpected end of stream":
        return "the closing quote or bracket", ""
    if words == "could not find expected ':'":
        return '"key: value"', ""
    if words == "found character that cannot start any token":
        return "a value", "put it in quotes"
    context = getattr(error, "context", None)
    mark = getattr(error, "context_mark", None)
    where = f" that begins on line {mark.line + 1}" if mark is not None else ""
    subject = str(context).removeprefix("while parsing ").removeprefix("while scanning ") if context else "YAML"
    return f"{subject}{where} to be complete and evenly indented", ""
