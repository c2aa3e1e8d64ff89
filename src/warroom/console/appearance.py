"""What this terminal can show, and what the person wants to see: worked out once, before the console starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from warroom.console.palettes import ANSI, DARK, HIGH_CONTRAST, NAMES
from warroom.errors import WarroomError

_PLAIN = ("", "dumb", "unknown")


@dataclass(frozen=True)
class Appearance:
    """``slow_line``: few frames and few bytes. ``bell`` and ``title`` tell of changes outside the screen itself."""

    theme: str = DARK.name
    colours: bool = True
    unicode: bool = True
    slow_line: bool = False
    bell: bool = True
    title: bool = True
    tmux: bool = True
    """Does the console go on when the line is lost?"""


def appearance(
    env: Mapping[str, str], *, theme: str = "", slow_line: bool = False, bell: bool = True, title: bool = True
) -> Appearance:
    """For the terminal that ``env`` describes. Raises ``WarroomError`` for a theme there is none of."""
    if theme and theme not in NAMES:
        raise WarroomError(
            f"There is no theme {theme!r}", "themes: " + ", ".join(NAMES), "the console's palette lists them"
        )
    colours = not env.get("NO_COLOR")
    own = DARK.name if many_colours(env) else ANSI.name
    return Appearance(
        theme=theme or (own if colours else HIGH_CONTRAST.name),
        colours=colours,
        unicode=unicode_terminal(env),
        slow_line=slow_line,
        bell=bell,
        title=title and not env.get("TERM", "").startswith("linux"),
        tmux=bool(env.get("TMUX") or env.get("STY")),
    )


def needs_a_screen(env: Mapping[str, str]) -> None:
    """Raises ``WarroomError`` for a terminal on which nothing can be placed."""
    term = env.get("TERM", "").strip().lower()
    if term in _PLAIN:
        said = f"TERM is {term!r}" if term else "TERM is not set"
        raise WarroomError(
            "The console can't draw on this terminal",
            f"{said}: nothing can be placed on such a terminal",
            "set TERM to what it is, such as xterm-256color; `warroom status` says the same in plain sentences",
        )


def many_colours(env: Mapping[str, str]) -> bool:
    """More than the terminal's own sixteen, by the same signs that the drawing goes by."""
    if env.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return True
    return env.get("TERM", "").strip().lower().rpartition("-")[2] in ("256color", "kitty")


def unicode_terminal(env: Mapping[str, str]) -> bool:
    """Is the terminal's character set UTF-8, by the locale? Where nobody said anything, it is taken to be."""
    said = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "utf-8")
    return "utf8" in "".join(char for char in said.lower() if char.isalnum())


def environment() -> dict[str, str]:
    """This process's environment, its locale as it was begun with.

    Python writes ``LC_CTYPE=C.UTF-8`` into its own environment where it finds a plain C locale, so that cannot be
    told from a person's word any more; the system still knows.
    """
    env = dict(os.environ)
    try:
        with open("/proc/self/environ", "rb") as file:
            begun = dict(_pair(word) for word in file.read().split(b"\0") if b"=" in word)
    except OSError:
        return env
    if env.get("LC_CTYPE") == "C.UTF-8" and "LC_CTYPE" not in begun:
        del env["LC_CTYPE"]
    return env


def _pair(word: bytes) -> tuple[str, str]:
    name, _, value = word.partition(b"=")
    return os.fsdecode(name), os.fsdecode(value)
