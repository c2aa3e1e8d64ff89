"""Text that means harm, through every pane, dialog, toast, title and field of a real console on a real pty.

Asserted on the bytes: nothing but the sequences a console needs reaches the terminal, no payload is inside of one of
them, no markup is parsed, and nothing is done that nobody asked for.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib import import_module
from pkgutil import iter_modules

import pytest

from tests.console.hostile import SHAPES, WORD, payloads
from tests.terminals import Terminal, Token, tokens, words
from warroom.console import screens
from warroom.console.driver import title_bytes
from warroom.console.screens.base import Dialog

_CSI = re.compile(
    r"[0-9;]*m|\d+;\d+H|\?(1000|1003|1004|1006|1015|1016|1049|2004|2026|2048|25|7)[hl]|>\d+u|<u|\?(2026|2048)\$p|2[23];2t"
)
"""Colours, the cursor's place, the modes of a full screen with a mouse, and the title's keeping."""
_OSC = re.compile(r"22;default|2;[ -~]{0,120}")
_C0 = {"\x07", "\r", "\n"}
_UNSEEN = re.compile("[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def allowed(token: Token) -> bool:
    match token.kind:
        case "text":
            return _UNSEEN.search(token.body) is None
        case "csi":
            return _CSI.fullmatch(token.body) is not None and WORD not in token.body
        case "osc":
            return _OSC.fullmatch(token.body) is not None and WORD not in token.body
        case "c0":
            return token.body in _C0
        case _:
            return False


def harm(data: bytes) -> list[Token]:
    """What may not be there. A mode is set when the console starts, or ends, and at no other time."""
    found = list(tokens(data))
    modes = Counter(one for one in found if one.kind == "csi" and one.body[0] in "?<>" and "2026" not in one.body)
    return [*(one for one in found if not allowed(one)), *(one for one, times in modes.items() if times > 2)][:5]


def dialogs() -> set[str]:
    """The names of all that can stand in front of the main screen."""
    for module in iter_modules(screens.__path__, f"{screens.__name__}."):
        import_module(module.name)
    found, left = set[type[Dialog]](), [Dialog]
    while left:
        left += left.pop().__subclasses__()
        found |= {one for one in left if not one.__subclasses__()}
    return {one.__name__ for one in found if one.__module__.startswith("warroom.")}


@pytest.mark.parametrize(
    ("env", "words_of_it"),
    [({"COLORTERM": "truecolor"}, ["--bare"]), ({"LC_ALL": "C", "NO_COLOR": "1"}, [])],
    ids=["unicode", "ascii"],
)
def test_nothing_hostile_reaches_the_terminal(env: dict[str, str], words_of_it: list[str], full: bool) -> None:
    """One of them without the last look at what is drawn: text is cleaned where it comes in, everywhere."""
    total, walks = (10_000, 99) if full else (300, 12 if words_of_it else 4)
    argv = [sys.executable, "-m", "tests.console.hostile", str(total), str(walks), *words_of_it]
    with Terminal(argv, (160, 60), env) as terminal:
        status = terminal.ends(540)
        data = terminal.data
    said = words(data)
    assert status == 0, said[-3000:]
    assert harm(data) == []
    report = re.search(r"used (\d+); seen ([\w ]+); asked ([\w -]*)", said)
    assert report is not None
    assert int(report[1]) >= total
    drawn = set(re.findall(rf"{WORD}\d+x\d+z", said[: report.start()]))
    assert len(drawn) > (total * 0.9 if full else total / 2), len(drawn)
    markup = [shape for shape in ("[@click=app.quit]", "[bold ", "[link=http", "[on red blink]") if shape in said]
    assert len(markup) >= 3, markup  # it is there to be read, as what it is
    if "LC_ALL" in env:
        assert max(data) < 0x80
    if full:
        assert dialogs() <= set(report[2].split())


def test_a_title_is_text_alone() -> None:
    source = payloads(1)
    for _ in range(len(SHAPES) * 20):
        canary, text = next(source)
        (token,) = tokens(title_bytes(f"{canary} {text}").encode("utf-8", "surrogateescape"))
        assert token.kind == "osc"
        assert token.body.startswith(f"2;{canary}")
        assert _UNSEEN.search(token.body) is None


def test_the_check_sees_every_kind_of_harm() -> None:
    """If a shape that holds what a terminal obeys were written as it is, it would be noticed."""
    for shape in SHAPES:
        text = shape.format("Zq1x1z")
        if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text):
            assert harm((text * 3).encode()), repr(shape)
