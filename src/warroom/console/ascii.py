"""The screen in plain ASCII, for a terminal whose character set is not Unicode.

The bytes are translated where they are written, so that nothing can be forgotten: borders, scrollbars, marks, plots,
and whatever Textual draws by itself. Every character keeps its width in cells, so no column moves.
"""

from __future__ import annotations

import re
import unicodedata

from rich.cells import get_character_cell_size

_GROUPS: dict[str, str] = {
    # box characters; each environment keeps a border of its own: production #===#, staging *~~~*, a drill +---+
    "-": "─┄┈╌╴╶‐‑‒–—―−▔",
    "=": "━╍┅┉╸╺═",
    "|": "│┆┊╎╵╷▏▎▍│⎸⎹",
    "#": "┃┇┋╹╻┏┓┗┛┣┫┳┻╋█▉▊▋▌▐▓■▪◼▛▜▙▟",
    "+": "┌┐└┘├┤┬┴┼╭╮╰╯┍┑┕┙",
    "*": "●•★✱∗⁎",
    "~": "◇◆…≈∼⋯",
    "o": "○◌◯°",
    "O": "◎◉",
    "X": "✖✗✘╳☒",
    "x": "×✕",
    "v": "✔✓☑▼▾↓⌄",
    "^": "▲▴↑⌃",
    ">": "▶▸→›»❯⇒➜",
    "<": "◀◂←‹«❮⇐",
    "?": "�",
    "%": "⧗⧖⌛▒░",
    "&": "✎",
    "/": "⏎↵",
    "'": "‘’‚′",
    '"': "“”„″▀",
    ".": "·․∙◔▘▝▖▗",
    ":": "◕∶▚▞",
    "_": "▁",
    ",": "▂",
}
_SPARKS = dict(zip("▃▄▅▆▇", "-=+oO", strict=True))
_TABLE: dict[str, str] = {char: plain for plain, chars in _GROUPS.items() for char in chars} | _SPARKS
_DOUBLE = {"═": "~", "║": ":", **dict.fromkeys("╔╗╚╝╠╣╦╩╬", "*")}
"""A double line is staging's."""

_OUTSIDE = re.compile(r"[^\x00-\x7f]+")


def _one(char: str) -> str:
    code = ord(char)
    if char in _DOUBLE:
        return _DOUBLE[char]
    if char in _TABLE:
        return _TABLE[char]
    if 0x2800 <= code < 0x2900:  # braille, which plots are drawn with: by how many dots it has
        return " .:#"[(code - 0x2800).bit_count() + 2 >> 2]
    if 0x80 <= code < 0xA0:
        return "?"
    width = get_character_cell_size(char)
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return plain if plain.isprintable() and len(plain) == width else "?" * width


class _Cache(dict[int, str]):
    """What ``str.translate`` asks; a flood of rare characters must not fill the memory."""

    def __missing__(self, code: int) -> str:
        if len(self) > 4096:
            self.clear()
        found = self[code] = _one(chr(code))
        return found


_CACHE = _Cache()


def plain(text: str) -> str:
    """``text`` with nothing but ASCII in it, as wide as before. What is ASCII already, escapes included, stays."""
    return text if text.isascii() else _OUTSIDE.sub(lambda found: found.group().translate(_CACHE), text)
