"""Control, escape, bidi and zero-width characters made visible: nothing hides in them, and no terminal obeys them."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Colours carry no meaning in evidence, and splitting a word with them must not hide it.
_COLOUR = re.compile(r"(?:\x1b\[|\x9b)[0-9;:]*m")
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_PLAIN = bytes(range(0x20, 0x7F)) + b"\n\t"


def visible(text: str, keep: str = "\n\t") -> str:
    """``text`` with every control, escape, bidi and zero-width character drawn: ``␛``, ``␀``, ``‹U+202E›``.

    Colour sequences are dropped. Characters in ``keep`` stay as they are. Lone surrogates are drawn too.
    """
    if text.isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = _COLOUR.sub("", text)
    return _UNSEEN.sub(lambda m: m[0] if m[0] in keep else _picture(m[0]), text)


def all_visible(lines: Sequence[str], joined: str) -> bool:
    """Whether ``lines``, joined by newlines, are plain ASCII with nothing to draw: one look at all of them."""
    if not joined.isascii() or joined.count("\n") != len(lines) - 1:
        return False
    return not joined.encode().translate(None, _PLAIN)


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"
