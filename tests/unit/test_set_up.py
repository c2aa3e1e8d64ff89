"""The first setting up shows a sign of life: on a terminal one line that is written over, elsewhere a few lines."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

import setup_venv
import sign_of_life
from sign_of_life import Sign, far


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def minutes(sign: Sign, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now += 1
        sign.beat("fetching packages", "3 of at most 9 are here, now attrs")


def test_where_nothing_can_be_written_over_a_few_lines_say_that_it_goes_on() -> None:
    said, clock = list[str](), Clock()
    minutes(Sign(said.append, io.StringIO(), clock), clock, 125)
    assert said == [
        f"  {told} · fetching packages: 3 of at most 9 are here, now attrs"
        for told in ("20 s", "40 s", "1 m 0 s", "1 m 20 s", "1 m 40 s", "2 m 0 s")
    ]


def test_a_terminal_has_one_line_that_is_gone_before_anything_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "42")
    said, clock, terminal = list[str](), Clock(), Terminal()
    sign = Sign(said.append, terminal, clock)
    minutes(sign, clock, 3)
    assert terminal.getvalue().count("\n") == 0
    assert terminal.getvalue().rpartition("\x1b[2K")[2] == "  3 s · fetching packages: 3 of at most 9"
    sign.say("uv could not do it")
    assert (said, terminal.getvalue().endswith("\r\x1b[2K")) == (["uv could not do it"], True)
    before = terminal.getvalue()
    sign.clear()
    assert terminal.getvalue() == before, "what is gone is not taken away again"


def test_how_far_it_is_comes_from_what_pip_has_said() -> None:
    log = "Collecting attrs==1 (from -r x)\n  Using cached\nCollecting idna==2\nCollecting attrs==1\n"
    assert far(log, 9) == "2 of at most 9 are here, now idna"
    assert far(log + "Installing collected packages: idna, attrs\n", 9).startswith("all are here")
    assert far("Resolved 9 packages\n", 9) == ""


def test_a_step_beats_until_it_ends_and_what_it_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on until it has been seen to be alive: no time is waited for."""
    (tmp_path / "requirements.lock").write_text("attrs==1 \\\n    --hash=sha256:x\nidna==2 ; python_version < '3'\n")
    go = tmp_path / "go"
    program = (
        "import pathlib, sys, time\nprint('Collecting idna==2', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\nsys.exit(3)"
    )
    beats = list[str]()

    class Seen(Sign):
        def beat(self, doing: str, how_far: str = "") -> None:
            beats.append(f"{doing}: {how_far}")
            if how_far:
                go.touch()

    monkeypatch.setattr(sign_of_life, "LOOK", 0.02)
    with pytest.raises(setup_venv.StepFailed, match="Collecting idna==2"):
        setup_venv._run(tmp_path, Seen(beats.append, io.StringIO()), "packages", sys.executable, "-c", program)
    assert beats[-1] == "packages: 1 of at most 2 are here, now idna"
    with pytest.raises(setup_venv.StepFailed, match="No such file"):
        setup_venv._run(tmp_path, Seen(beats.append, io.StringIO()), "packages", tmp_path / "none")
