"""Reading a runbook's file: never hangs, never reads more than a runbook can be, only plain UTF-8."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from warroom.runbook.problems import Pos, Problem, RunbookInvalid, RunbookMissing

MOST_BYTES = 1_000_000

REFUSED = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
    "|[\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""Controls, other line breaks, byte order marks, and what turns text round: what is read must be what is shown."""

_NAMED = {"\x00": "a NUL byte", "\ufeff": "a byte order mark", "\x1b": "an escape character"}


def read_text(path: Path) -> str:
    """The file's text. Raises ``RunbookInvalid`` with the one thing that is wrong with it."""
    data = _read(path)
    name = str(path)
    for mark, encoding in ((b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if data.startswith(mark):
            raise _wrong(name, f"a byte order mark ({encoding})", "plain UTF-8 text without one")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8"))
        byte = f"the byte 0x{data[error.start]:02x}, which is not UTF-8"
        raise RunbookInvalid(name, [Problem(Pos(name, line, column), byte, "UTF-8 text")]) from None
    odd = REFUSED.search(text)
    if odd:
        line, column = _place(text[: odd.start()])
        found = _NAMED.get(odd[0], f"the character U+{ord(odd[0]):04X}, which does not print")
        raise RunbookInvalid(name, [Problem(Pos(name, line, column), found, "text that can be shown as it is")])
    return text


def _read(path: Path) -> bytes:
    name = str(path)
    if "\0" in name:
        raise _wrong(name, "a NUL byte in the name", "the name of a file")
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        missing = Problem(Pos(name, 1, 1), "no file of this name", "a runbook", "warroom init writes one")
        raise RunbookMissing(name, [missing]) from None
    except OSError as error:
        raise _wrong(name, f"a file that can't be opened ({error.strerror})", "a readable file") from None
    try:
        return _bytes(handle, name)
    except OSError as error:
        raise _wrong(name, f"a file that can't be read ({error.strerror})", "a readable file") from None
    finally:
        os.close(handle)


def _bytes(handle: int, name: str) -> bytes:
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode):
        raise _wrong(name, _kind(info.st_mode), "a file")
    if info.st_size > MOST_BYTES:
        raise _wrong(name, f"{info.st_size:,} bytes", f"at most {MOST_BYTES:,}")
    # The size is only what it was: a file may grow, and one under /proc says 0.
    with open(handle, "rb", closefd=False) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _wrong(name, f"more than {MOST_BYTES:,} bytes", "fewer")
    return data


def _kind(mode: int) -> str:
    for test, words in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return words
    return "something that is not a file"


def _place(before: str) -> tuple[int, int]:
    """Line and column of what follows ``before``."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _wrong(name: str, found: str, expected: str) -> RunbookInvalid:
    return RunbookInvalid(name, [Problem(Pos(name, 1, 1), found, expected)])
