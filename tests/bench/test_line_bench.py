"""What the console sends over the line, in bytes a second: calm, in the middle of an incident, and on a slow line."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from tests.terminals import Terminal, tokens

ALONE = [sys.executable, "-m", "tests.console.alone"]


def rates(*plots: tuple[str, ...], seconds: float) -> list[tuple[float, float]]:
    """(bytes, frames) a second of each, side by side, once the first screen stands, at 120 × 40 in true colour."""
    with ExitStack() as stack:
        env = {"COLORTERM": "truecolor", "TMUX": "x"}
        lines = [stack.enter_context(Terminal([*ALONE, *plot], (120, 40), env)) for plot in plots]
        for line in lines:
            line.until("Decide.*Plan")
        read(lines, 6)
        for line, plot in zip(lines, plots, strict=True):
            if plot == ("calm",):
                settled(line)
        begun = [len(line.data) for line in lines]
        read(lines, seconds)
        drawn = [line.data[at:] for line, at in zip(lines, begun, strict=True)]
    return [(len(data) / seconds, frames(data) / seconds) for data in drawn]


def settled(line: Terminal) -> None:
    """Its beginning is over: on a busy machine the first screen may still be on its way."""
    for _ in range(30):
        if len(line.read(2)) <= 200:
            return
    raise AssertionError("the calm screen never came to rest")


def read(lines: Sequence[Terminal], seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for line in lines:
            line.take(min(left, 0.02))


def frames(data: bytes) -> int:
    """A frame writes to a place once."""
    moves = Counter(token.body for token in tokens(data) if token.kind == "csi" and token.body.endswith("H"))
    return max(moves.values(), default=0)


def test_a_calm_screen_sends_next_to_nothing(full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The goal is 1 kB a second to a terminal where nothing changes; a clock that stands still sends nothing at all."""
    ((sent, _),) = rates(("calm",), seconds=30 if full else 4)
    with capsys.disabled():
        print(f"\ncalm: {sent:.0f} B/s")
    assert sent <= 100


def test_a_slow_line_gets_few_frames_and_few_bytes(full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """In one run, 20 lines and new numbers each second: a slow line gets at most two frames, and less than half."""
    seconds = 30 if full else 6
    (normal, many), (slow, few) = rates(("busy",), ("busy", "--slow"), seconds=seconds)
    with capsys.disabled():
        print(f"\nbusy: {normal:.0f} B/s in {many:.1f} frames/s; slow line: {slow:.0f} B/s in {few:.1f} frames/s")
    assert few <= 2.2
    # Where this machine, beside other tests, draws hardly more frames than a slow line gets, nothing can be saved.
    assert slow < normal * 0.75 or (many < 5 and not full)
    assert normal <= 20_000
