"""What the console sends over the line, in bytes a second: calm, in the middle of an incident, and on a slow line."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.terminals import Terminal, tokens

ALONE = [sys.executable, "-m", "tests.console.alone"]


def rate(plot: str, *options: str, seconds: float, env: dict[str, str] | None = None) -> tuple[float, float]:
    """(bytes, frames) a second once the first screen stands, at 120 × 40 in true colour."""
    with Terminal([*ALONE, plot, *options], (120, 40), {"COLORTERM": "truecolor", "TMUX": "x", **(env or {})}) as line:
        line.until("Decide.*Plan")
        line.read(6)
        data = line.read(seconds)
    moves = Counter(token.body for token in tokens(data) if token.kind == "csi" and token.body.endswith("H"))
    return len(data) / seconds, max(moves.values(), default=0) / seconds  # a frame writes to a place once


def test_a_calm_screen_sends_next_to_nothing(full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The goal is 1 kB a second to a terminal where nothing changes; a clock that stands still sends nothing at all."""
    sent, _ = rate("calm", seconds=30 if full else 4)
    with capsys.disabled():
        print(f"\ncalm: {sent:.0f} B/s")
    assert sent <= 100


def test_a_slow_line_gets_few_frames_and_few_bytes(full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """In one run, 20 lines and new numbers each second: a slow line gets at most two frames, and less than half."""
    seconds = 30 if full else 6
    normal, frames = rate("busy", seconds=seconds)
    slow, few = rate("busy", "--slow", seconds=seconds)
    with capsys.disabled():
        print(f"\nbusy: {normal:.0f} B/s in {frames:.1f} frames/s; slow line: {slow:.0f} B/s in {few:.1f} frames/s")
    assert few <= 2.2
    assert slow < normal * 0.75
    assert normal <= 20_000
