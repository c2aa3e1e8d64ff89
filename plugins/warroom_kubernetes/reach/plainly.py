"""YAML as plain JSON, however it is written. What would grow without end, or is no JSON, is refused beforehand."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_VALUES = 200_000
"""Of one file, each counted wherever an alias repeats it: a few lines of aliases can stand for more than fits."""
LONGEST_NUMBER = 64
"""Digits. Those of base 60, which YAML has, take quadratic time."""
_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_WORDS = ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge", "value")
_PLAIN = frozenset(f"{_TAG}{word}" for word in _WORDS)


class Odd(Exception):
    """``line`` from 1."""

    def __init__(self, words: str, line: int) -> None:
        super().__init__(words)
        self.line = line


def regular(path: Path) -> Path:
    """Raises OSError for a pipe or a device, which could keep whoever reads it for ever; an empty file is one too."""
    if path.exists() and not path.is_file() and not path.is_dir() and str(path) != os.devnull:
        raise OSError(errno.EINVAL, "No file, but a pipe or a device", str(path))
    return path


def construct(text: str) -> tuple[Any, Any]:
    """The value, and the YAML node that it was made of; None twice for an empty text.

    Raises ``Odd``, and what PyYAML raises: YAMLError, ValueError, TypeError, RecursionError.
    """
    loader = _loader(text)
    node = loader.get_single_node()
    if node is None:
        return None, None
    _bounded(node)
    return loader.construct_document(node), node


def documents(text: str) -> Iterator[Any]:
    """The value of each document of a manifest. Raises as ``construct`` does."""
    loader = _loader(text)
    while loader.check_node():
        node = loader.get_node()
        _bounded(node)
        yield loader.construct_document(node)


def _loader(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # not the one in C: it crashes on what is nested deeply
        """Times stay the words that they are, as kubectl reads them."""

    Loader.add_constructor(f"{_TAG}timestamp", lambda loader, node: str(node.value))
    return Loader(text)


def _bounded(root: Any) -> None:
    """Counts, without following an alias twice."""
    sizes: dict[int, int] = {}
    begun: set[int] = set()
    todo = [root]
    while todo:
        node = todo[-1]
        key = id(node)
        if key in sizes:
            todo.pop()
            continue
        inner = _inner(node)
        if key not in begun:
            _plain(node)
            begun.add(key)
            if any(id(one) in begun and id(one) not in sizes for one in inner):
                raise Odd("it holds itself", _line(node))
            todo += inner
            continue
        sizes[key] = 1 + sum(sizes[id(one)] for one in inner)
        if sizes[key] > MOST_VALUES:
            raise Odd(f"its aliases stand for more than {MOST_VALUES:,} values", _line(node))
        todo.pop()


def _inner(node: Any) -> list[Any]:
    if node.id == "mapping":
        return [one for pair in node.value for one in pair]
    return list(node.value) if node.id == "sequence" else []


def _plain(node: Any) -> None:
    if node.tag not in _PLAIN:
        raise Odd(f"no YAML that JSON has too: {str(node.tag)[:80]!r}", _line(node))
    if node.id != "scalar":
        return
    if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
        raise Odd(f"a number has at most {LONGEST_NUMBER} digits here", _line(node))
    if any("\ud800" <= one <= "\udfff" for one in node.value):
        raise Odd("half of a character stands in it", _line(node))


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
