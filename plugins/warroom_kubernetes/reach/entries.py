"""Kubeconfig files as they are written: entries by name, each with the line it stands on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warroom.api import BadInput
from warroom_kubernetes.reach.plainly import Odd, construct, regular

MOST_BYTES = 8 * 2**20
_INNER = {"clusters": "cluster", "contexts": "context", "users": "user"}


@dataclass(frozen=True)
class KubeFile:
    path: Path
    current: str
    entries: Mapping[str, Mapping[str, Entry]]
    """By kind (``clusters``, ``contexts``, ``users``), then by name."""

    @property
    def folder(self) -> Path:
        """What relative paths in it are relative to."""
        return self.path.parent

    def entry(self, kind: str, name: str) -> Entry | None:
        return self.entries[kind].get(name)

    def names(self, kind: str) -> Sequence[str]:
        return tuple(self.entries[kind])


@dataclass(frozen=True)
class Entry:
    """What stands under one name. ``values`` is plain YAML, ``lines`` the line of each key, from 1."""

    file: KubeFile
    place: str
    """For people: ``user 'admin'``."""
    name: str
    values: Mapping[str, Any] = field(repr=False)
    lines: Mapping[str, int]
    line: int

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def wrong(self, key: str, expected: str, hint: str = "correct the kubeconfig") -> BadInput:
        """Names the place, never the value: it may be a secret."""
        where = f"{self.file.path}:{self.lines.get(key, self.line)}"
        return BadInput(
            f"The kubeconfig {self.file.path} can't be used", f"{where}: {key} of {self.place}: {expected}", hint
        )

    def text(self, key: str, *, needed: bool = False) -> str:
        value = self.values.get(key)
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or (needed and not value):
            raise self.wrong(key, "a text was expected" if value is not None else "it is missing")
        if any(c in value for c in "\0\r\n") and key != "token":
            raise self.wrong(key, "a text of one line was expected")
        return value.strip() if key == "token" else value

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false was expected")
        return bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and "\0" not in one for one in value):
            raise self.wrong(key, "a list of texts was expected")
        return tuple(value)

    def lists(self, key: str) -> Iterator[tuple[str, str]]:
        """A map of lists of texts: each text with its key."""
        value = self.values.get(key)
        if value is None:
            return
        for name, told in value.items() if isinstance(value, dict) else [(None, None)]:
            if not isinstance(name, str) or not name or not isinstance(told, list) or not all(map(_one_line, told)):
                raise self.wrong(key, "a map of lists of texts, each of one line, was expected")
            yield from ((name, one) for one in told)

    def pairs(self, key: str) -> Iterator[tuple[str, str]]:
        """A list of ``name`` and ``value``."""
        value = self.values.get(key)
        for one in value if isinstance(value, list) else () if value is None else (None,):
            name, told = (one.get("name"), one.get("value")) if isinstance(one, dict) else (None, None)
            if not isinstance(name, str) or not name or "=" in name or not isinstance(told, str) or "\0" in name + told:
                raise self.wrong(key, "a list of name and value, both texts, was expected")
            yield name, told

    def below(self, key: str) -> Entry:
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a map was expected")
        line = self.lines.get(key, self.line)
        return Entry(self.file, f"{key} of {self.place}", self.name, value, {}, line)

    def data(self, key: str) -> bytes:
        """What ``KEY-data`` says in base64, else what the file that ``KEY`` names says; empty without either."""
        encoded, named = self.text(f"{key}-data"), self.text(key)
        if encoded:
            try:
                return base64.b64decode("".join(encoded.split()), validate=True)
            except (binascii.Error, ValueError):
                raise self.wrong(f"{key}-data", "base64 was expected") from None
        if not named:
            return b""
        try:
            with regular(self.file.folder / named).open("rb") as file:
                return file.read(MOST_BYTES)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no path"
            raise self.wrong(key, f"{self.file.folder / named}: {str(why).lower()}") from None

    def extension(self, name: str) -> Any:
        """As it stands there; None where there is none."""
        found = self.values.get("extensions")
        for one in found if isinstance(found, list) else ():
            if isinstance(one, dict) and one.get("name") == name:
                return one.get("extension")
        return None


def _one_line(value: Any) -> bool:
    return isinstance(value, str) and not set("\0\r\n") & set(value)


def read_kubeconfig(path: Path) -> KubeFile:
    """Raises ``BadInput`` with the line for what kubectl would not understand either."""
    root, node = _parsed(path)
    if root is None:
        root, lines = {}, {}
    elif not isinstance(root, dict):
        raise _wrong(path, 1, "a map was expected")
    else:
        lines = _lines(node)
    current = root.get("current-context") or ""
    if not isinstance(current, str):
        raise _wrong(path, lines.get("current-context", 1), "current-context: a text was expected")
    entries: dict[str, dict[str, Entry]] = {}
    file = KubeFile(path, current, entries)
    for kind, inner in _INNER.items():
        entries[kind] = {}
        for one in _each(file, kind, inner, root.get(kind), _value(node, kind), lines.get(kind, 1)):
            entries[kind].setdefault(one.name, one)
    return file


def _parsed(path: Path) -> tuple[Any, Any]:
    import yaml

    try:
        with regular(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise _wrong(path, 1, f"at most {MOST_BYTES // 2**20} MB were expected")
        return construct(data.decode("utf-8"))
    except Odd as error:
        raise _wrong(path, error.line, str(error)) from None
    except OSError as error:
        raise BadInput(
            f"The kubeconfig {path} can't be read", (error.strerror or "").lower(), "correct its rights"
        ) from None
    except UnicodeDecodeError:
        raise _wrong(path, 1, "UTF-8 text was expected") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise _wrong(path, line, f"no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise _wrong(path, 1, f"no YAML: {type(error).__name__}") from None


def _wrong(path: Path, line: int, problem: str) -> BadInput:
    return BadInput(f"The kubeconfig {path} can't be used", f"{path}:{line}: {problem}", "correct the kubeconfig")


def _each(file: KubeFile, kind: str, inner: str, found: Any, node: Any, line: int) -> Iterator[Entry]:
    if found is None:
        return
    if not isinstance(found, list):
        raise _wrong(file.path, line, f"{kind}: a list was expected")
    for number, one in enumerate(found):
        item = node.value[number]
        at = item.start_mark.line + 1
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not one["name"]:
            raise _wrong(file.path, at, f"{kind}: an entry with a name was expected")
        if not one["name"].isprintable():  # it stands in command lines that people paste
            raise _wrong(file.path, at, f"{kind}: a name that can be printed was expected: {one['name'][:80]!r}")
        values = one.get(inner)
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise _wrong(file.path, at, f"{kind}: {inner} of {one['name']!r}: a map was expected")
        yield Entry(file, f"{inner} {one['name']!r}", one["name"], values, _lines(_value(item, inner)), at)


def _value(node: Any, key: str) -> Any:
    """The node under a key of a map, where there is one."""
    pairs = node.value if node is not None and node.id == "mapping" else []
    return next((value for name, value in pairs if name.value == key), None)


def _lines(node: Any) -> dict[str, int]:
    pairs = node.value if node is not None and node.id == "mapping" else []
    return {str(name.value): name.start_mark.line + 1 for name, _ in pairs}
