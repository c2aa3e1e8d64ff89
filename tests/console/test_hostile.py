"""Text that means harm, through every pane, dialog, toast, title and field of a real console on a real pty.

Asserted on the bytes: nothing but the sequences a console needs reaches the terminal, no payload is inside of one of
them, no markup is parsed, and nothing is done that nobody asked for.
"""

from __future__ import annotations

import re
import sys
from collections import Counter

import pytest

from tests.console.hostile import SHAPES, WORD, payloads
from tests.terminals import Terminal, Token, tokens, words
from warroom.console.terminal import title_bytes

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


@pytest.mark.parametrize(
    ("env", "walks"),
    [({"COLORTERM": "truecolor"}, 15), ({"LC_ALL": "C", "NO_COLOR": "1"}, 4)],
    ids=["unicode", "ascii"],
)
def test_nothing_hostile_reaches_the_terminal(env: dict[str, str], walks: int, full: bool) -> None:
    total = 10_000 if full else 100
    with Terminal([sys.executable, "-m", "tests.console.hostile", str(total), str(walks)], (160, 60), env) as terminal:
        status = terminal.ends(540)
        data = terminal.data
    said = words(data)
    assert status == 0, said[-3000:]
    assert harm(data) == []
    drawn = set(re.findall(rf"{WORD}\d+x\d+z", said))
    assert len(drawn) > max(100, total // 4), len(drawn)
    markup = [shape for shape in ("[@click=app.quit]", "[bold ", "[link=http", "[on red blink]") if shape in said]
    assert len(markup) >= 3, markup  # it is there to be read, as what it is
    if "LC_ALL" in env:
        assert max(data) < 0x80
    report = re.search(r"used (\d+); seen ([\w ]+); asked (\d+)", said)
    assert report is not None
    assert int(report[1]) >= total
    assert len(report[2].split()) >= min(8, walks), report[2]


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
