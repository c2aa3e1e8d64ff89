"""Leaving out what the terminal shows already must never leave anything wrong on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from warroom.console.frames import Frames

STYLES = [Style(), Style(bold=True), Style(color="red"), Style(reverse=True)]
TEXTS = st.text(alphabet="ab 12国é▁", min_size=1, max_size=6)
STRIPS = st.lists(st.tuples(TEXTS, st.sampled_from(STYLES)), min_size=1, max_size=4).map(
    lambda parts: Strip([Segment(text, style) for text, style in parts])
)
PIECES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), STRIPS), min_size=1, max_size=30)


class Grid:
    """What a terminal shows: for each cell the character that begins there, and its style."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], tuple[str, Style | None]] = {}
        self.written = 0

    def write(self, y: int, x: int, strip: Strip) -> None:
        for text, style, _ in strip:
            for char in text:
                self.written += 1
                self.cells[y, x] = (char, style)
                x += Segment(char).cell_length
                if Segment(char).cell_length == 2:
                    self.cells[y, x - 1] = ("", style)


@given(pieces=PIECES)
def test_what_is_left_out_stands_there_already(pieces: list[tuple[int, int, Strip]]) -> None:
    frames, shown, meant = Frames(), Grid(), Grid()
    for y, x, strip in pieces:
        meant.write(y, x, strip)
        for at, part in frames._changed(y, x, strip):
            shown.write(y, at, part)
        assert shown.cells == meant.cells


def test_the_same_again_writes_nothing_and_a_digit_writes_a_digit() -> None:
    frames, shown = Frames(), Grid()

    def draw(text: str) -> None:
        for at, part in frames._changed(
            0, 4, Strip([Segment("T+", STYLES[1]), Segment(text), Segment(" ok", STYLES[2])])
        ):
            shown.write(0, at, part)

    draw("1:12 of 5:00")
    before = shown.written
    draw("1:12 of 5:00")
    assert shown.written == before
    draw("1:13 of 5:00")
    assert shown.written == before + 1
    frames.forget()
    draw("1:13 of 5:00")
    assert shown.written > before + 10
