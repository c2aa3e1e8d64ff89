"""What a command is made of: its words and its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from warroom.errors import ProgramMissing, WarroomError


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with changes; None removes a name. For the ``env`` argument, which is a whole one."""
    whole = {name: value for name, value in os.environ.items() if name not in changes}
    whole.update({name: value for name, value in changes.items() if value is not None})
    return whole


def checked_argv(argv: Sequence[str]) -> list[str]:
    """The argv as a list, or a WarroomError: a lone string, no words, a word that isn't text, NUL, no program."""
    if isinstance(argv, (str, bytes)):
        raise WarroomError(
            "A command must be a list of words", f"got one {type(argv).__name__}", "Split it into its words."
        )
    words = list(argv)
    if not words or not words[0]:
        raise WarroomError("A command must name a program", "the list of words is empty or begins with an empty one")
    for number, word in enumerate(words):
        if not isinstance(word, str):
            raise WarroomError(
                "A command must be a list of words",
                f"word {number} of {words[0]!r} is a {type(word).__name__}",
            )
        if "\0" in word:
            raise WarroomError("A command may not hold a NUL byte", f"word {number} of {words[0]!r} has one")
    return words


def cannot_start(words: list[str], cwd: str | Path | None, error: OSError) -> WarroomError:
    """The error for a program that the system would not start."""
    name = words[0]
    if cwd is not None and not os.path.isdir(cwd):
        return WarroomError(f"{name} was not started", f"its folder {os.fspath(cwd)!r} is not there")
    if isinstance(error, FileNotFoundError):
        return ProgramMissing(
            f"{name} is not on this machine",
            "no such program was found" if "/" in name else "no program of that name is on PATH",
            f"Install {os.path.basename(name)}, or put it on PATH.",
        )
    if isinstance(error, PermissionError):
        return ProgramMissing(f"{name} can't be run", "the file is not executable for this user")
    return WarroomError(f"{name} was not started", (error.strerror or str(error)).lower())


def replace(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> NoReturn:
    """Become another program: same pid, same terminal. Returns only by raising what `run` raises."""
    words = checked_argv(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(words[0], words, dict(os.environ if env is None else env))
    except OSError as error:
        raise cannot_start(words, None, error) from error
