"""Files that are no runbooks, or were made to do harm: a place and a reason, never a traceback, never a hang."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from tests.runbooks import HEAD, Plugins, loaded, mistakes
from warroom.runbook import RunbookInvalid, RunbookMissing, load
from warroom.runbook.nodes import MOST_DEPTH, MOST_NODES
from warroom.runbook.source import MOST_BYTES

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "1:1: found an empty file, expected a runbook; warroom init writes one"),
    "only comments": ("# nothing\n\n", "1:1: found an empty file, expected a runbook; warroom init writes one"),
    "null": ("~\n", "1:1: found nothing, expected a group of keys: format, service, environment …"),
    "a word": ("hello\n", '1:1: found the text "hello", expected a group of keys: format, service, environment …'),
    "a list": ("- a\n- b\n", "1:1: found a list, expected a group of keys: format, service, environment …"),
    "byte order mark": (
        b"\xef\xbb\xbfformat: 1\n",
        "1:1: found a byte order mark (UTF-8), expected plain UTF-8 text without one",
    ),
    "UTF-16": (
        "format: 1\n".encode("utf-16"),
        "1:1: found a byte order mark (UTF-16), expected plain UTF-8 text without one",
    ),
    "not UTF-8": (
        b"format: 1\nservice: caf\xe9\n",
        "2:13: found the byte 0xe9, which is not UTF-8, expected UTF-8 text",
    ),
    "binary junk": (b"\x7fELF\x02\x01\x00\x00", "1:1: found the character U+007F, which does not print"),
    "NUL": (b"format: 1\nservice: a\x00b\n", "2:11: found a NUL byte, expected text that can be shown as it is"),
    "escape": (b"format: 1\nx: \x1b[31mred\n", "2:4: found an escape character, expected text that can be shown"),
    "C1 control": ("service: a\x9bb\n", "1:11: found the character U+009B, which does not print"),
    "text turned round": ("service: a\u202eb\n", "1:11: found the character U+202E, which does not print"),
    "mark inside": ("service: a\ufeffb\n", "1:11: found a byte order mark, expected text"),
    "tab": ("format: 1\nenvironment:\n\tkind: drill\n", "3:1: found a tab in the indentation, expected spaces"),
    "tab after spaces": ("environment:\n  \tkind: drill\n", "2:3: found a tab in the indentation, expected spaces"),
    "tab among lines": (
        "environment:\n  kind: drill\n\tname: x\n",
        "3:1: found a tab in the indentation, expected spaces",
    ),
    "two documents": ("format: 1\n---\nformat: 1\n", "2:1: found a second document, expected one document in the file"),
    "open quote": (
        "service: 'shop\nformat: 1\n",
        "3:1: found the end of the file, expected the closing quote or bracket",
    ),
    "open bracket": ("a: [1, 2\nb: 3\n", "2:2: found text that YAML can't read"),
    "two colons": ("a: b: c\n", '1:5: found a second ":" in the line, expected one "key: value"'),
    "a reserved sign": ("service: @shop\n", "1:10: found a character that can't begin a value, expected a value"),
    "no such version": (
        "%YAML 3.0\n---\na: 1\n",
        "1:1: found text that YAML can't read (found incompatible YAML document)",
    ),
    "nesting": ("[" * 400 + "]" * 400, f"1:{MOST_DEPTH + 1}: found more than {MOST_DEPTH} levels of nesting"),
    "nesting without an end": ("[" * 900_000, f"1:{MOST_DEPTH + 1}: found more than {MOST_DEPTH} levels of nesting"),
    "nested keys": ("? " * 400_000, f"found more than {MOST_DEPTH} levels of nesting"),
    "a billion laughs": (LAUGHS, f"found more than {MOST_NODES:,} values, aliases expanded, expected fewer"),
    "many values": ("a: [" + "x," * 400_000 + "]", f"found more than {MOST_NODES:,} values"),
    "a cycle": ("a: &x\n  b: [*x]\n", '2:7: found the alias "*x" inside its own anchor, expected no cycle'),
    "nesting by aliases": (
        "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{k: *a{n - 1}}}\n" for n in range(1, 60)),
        f"found aliases that nest more than {MOST_DEPTH} levels, expected fewer",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable(case: str, tmp_path: Path) -> None:
    text, said = UNREADABLE[case]
    began = time.process_time()
    found = mistakes(tmp_path, text)
    assert len(found) == 1
    assert said in found[0]
    assert time.process_time() - began < 5


TOLD_AND_READ_ON = {
    "python tag": (
        "watch: !!python/object/apply:os.system [ls]",
        '5:8: found the tag "tag:yaml.org,2002:python/object/ap',
    ),
    "any tag": ("watch: !!str 30", '5:8: found the tag "tag:yaml.org,2002:str", expected a plain value without a tag'),
    "own tag": ("watch: !secret x", '5:8: found the tag "!secret", expected a plain value without a tag'),
    "no such anchor": ("watch: *long", '5:8: found the alias "*long", expected one whose anchor stands before it'),
    "merge key": (
        "contacts: {<<: {cto: {title: x}}}",
        "5:12: found a merge key, expected the keys themselves, written out",
    ),
    "number as a key": (
        "contacts: {5: {title: x}}",
        "5:12: found the number 5 as a key, expected a name (put it in quotes",
    ),
    "true as a key": ("contacts: {true: {title: x}}", "5:12: found true as a key, expected a name (put it in quotes"),
    "nothing as a key": (
        "contacts: {~: {title: x}}",
        "5:12: found nothing as a key, expected a name (put it in quotes",
    ),
    "a list as a key": ("? [a]\n: b", "5:3: found a list as a key, expected a name"),
    "duplicate": (
        "watch: 5m\nwatch: 6m",
        '6:1: found the key "watch" again, expected it once: it stands on line 5 already',
    ),
    "duplicate below": (
        "contacts:\n  cto: {title: a}\n  cto: {title: b}",
        '7:3: found the key "cto" again, expected it once: it stands on line 6 already',
    ),
    "not a number": ("watch: .nan", '5:8: found ".nan", expected a number that JSON has too'),
    "infinite": ("watch: -.inf", '5:8: found "-.inf", expected a number that JSON has too'),
    "too large": ("watch: 1e999", '5:8: found a number of 5 characters, "1e999", expected a smaller one'),
    "very long": ("watch: " + "9" * 5000, "5:8: found a number of 5000 characters"),
    "escaped control": (
        r'status_page: "a\x1b[31m"',
        "5:14: found the character U+001B, written as an escape, expected text",
    ),
    "escaped NUL": (r'status_page: "a\0b"', "5:14: found the character U+0000, written as an escape, expected text"),
}


@pytest.mark.parametrize("case", TOLD_AND_READ_ON)
def test_what_stands_below_is_told_too(case: str, tmp_path: Path) -> None:
    text, said = TOLD_AND_READ_ON[case]
    found = mistakes(tmp_path, f"{HEAD}{text}\nfeatures: 1\n")
    assert found[0].startswith(said)
    assert 'found the unknown key "features"' in found[-1]


def test_yaml_1_1_words_are_texts(tmp_path: Path) -> None:
    book = loaded(
        tmp_path, HEAD.replace("shop", "on") + "contacts: {no: {title: off, reach: 12:30}, yes: {title: y}}\n"
    ).runbook
    assert book.service == "on"
    assert (book.contacts["no"].title, book.contacts["no"].reach, book.contacts["yes"].title) == ("off", "12:30", "y")


def test_yes_is_not_true(tmp_path: Path) -> None:
    text = HEAD + "checklists: {mine: {title: t, items: {x: {sentence: s, if_needed: yes}}}}\n"
    assert mistakes(tmp_path, text) == [
        '5:67: found the text "yes", expected true or false; yes, no, on and off are texts'
    ]


def test_anchors_may_be_used(tmp_path: Path) -> None:
    book = loaded(tmp_path, HEAD + "contacts: {a: &a {title: x}, b: *a}\n").runbook
    assert book.contacts["a"] == book.contacts["b"]


def test_other_line_ends(tmp_path: Path) -> None:
    assert mistakes(tmp_path, (HEAD + "watch: soon\n").replace("\n", "\r\n")) == [
        '5:8: found the text "soon", expected a duration such as 20s, 5m or 1h30m'
    ]


def test_size_is_looked_at_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(RunbookInvalid) as invalid:
        load(path, Plugins())
    assert str(invalid.value.problems[0]) == f"{path}:1:1: found 10,000,000,000 bytes, expected at most {MOST_BYTES:,}"


def test_largest_file_is_read_in_time(tmp_path: Path) -> None:
    line = '  k%06d: {title: "%s"}\n'
    text = HEAD + "contacts:\n" + "".join(line % (n, "x" * 60) for n in range(11_000))
    assert MOST_BYTES * 0.9 < len(text) < MOST_BYTES
    began = time.process_time()
    assert len(loaded(tmp_path, text).runbook.contacts) == 11_004
    assert time.process_time() - began < 10


def test_thousands_of_mistakes_in_time(tmp_path: Path) -> None:
    text = HEAD + "contacts:\n" + "".join(f"  k{n}: {{titel: x}}\n" for n in range(9_000))
    began = time.process_time()
    found = mistakes(tmp_path, text)
    assert time.process_time() - began < 10
    assert found[0] == "1:1: found 18,000 mistakes, expected fewer: the first 2,000 are told"
    assert found[1].startswith("6:3: ")
    assert len(found) == 2_001


def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert _said(path) == f"{path}:1:1: found a named pipe, expected a file"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert _said(tmp_path) == f"{tmp_path}:1:1: found a folder, expected a file"
    assert _said(Path("/dev/zero")) == "/dev/zero:1:1: found a device, expected a file"
    assert _said(tmp_path / "none").startswith(f"{tmp_path}/none:1:1: found no file of this name, expected a runbook")
    assert "found a file that can't be opened" in _said(tmp_path / "loop")
    assert "found a file that can't be opened" in _said(tmp_path / ("x" * 300))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "found a" in _said(tmp_path / "s")
    assert "found a NUL byte in the name" in _said(Path("a\0b"))


def test_no_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RunbookMissing) as missing:
        load(tmp_path / "warroom.yaml", Plugins())
    assert str(missing.value) == (
        f"There is no runbook {tmp_path}/warroom.yaml. warroom init writes one to begin with, and -f names another file"
    )


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("warroom.runbook.source.os.open", refused)
    path = tmp_path / "warroom.yaml"
    assert _said(path) == f"{path}:1:1: found a file that can't be opened (Permission denied), expected a readable file"


def test_a_name_that_does_not_print(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb.yaml"
    path.write_text("x")
    assert f"{tmp_path}/a\\x1b[31m\\nb.yaml:1:1: found" in _said(path)


def _said(path: Path) -> str:
    with pytest.raises(RunbookInvalid) as invalid:
        load(path, Plugins())
    assert len(invalid.value.problems) == 1
    return str(invalid.value.problems[0])


def test_a_tag_on_everything(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "!!python/object/apply:os.system\nformat: 1\n")
    assert len(found) == 1
    assert "found the tag" in found[0]


def test_a_file_that_says_it_is_empty() -> None:
    """Under /proc a file's size reads 0, whatever is in it."""
    with pytest.raises(RunbookInvalid) as invalid:
        load(Path("/proc/self/status"), Plugins())
    assert 'found the unknown key "VmPeak"' in "\n".join(str(problem) for problem in invalid.value.problems)
