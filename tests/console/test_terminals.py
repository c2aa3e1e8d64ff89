"""Terminals as they are: with few colours or none, in plain ASCII, with line noise; asserted on the bytes of a pty."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from tests.terminals import Terminal, colour_codes, screen, sgr_codes, tokens, words

ALONE = [sys.executable, "-m", "tests.console.alone"]
ESCAPE = b"\x1b[27u"
"""As a terminal sends it that tells it apart from the beginning of another key: no pause after it is needed."""
TOUR = (b"d", ESCAPE, b"?", ESCAPE, b":", ESCAPE, b"m", ESCAPE, b"g", ESCAPE, b"l")
"""Dialogs, the help, the palette; each is drawn before the next key."""


def tour(env: dict[str, str], size: tuple[int, int] = (80, 24), plot: str = "firing", kind: str = "drill") -> bytes:
    """Every byte that a look around writes, from the first to the last, the leaving included."""
    with Terminal([*ALONE, plot, "--kind", kind], size, env) as terminal:
        terminal.until("Decide.*Plan")
        walk(terminal)
        return terminal.data


def walk(terminal: Terminal) -> None:
    for key in TOUR:
        terminal.press(key)
        terminal.quiet()
    leave(terminal)


def leave(terminal: Terminal) -> None:
    """Out of whatever is open, and out of the console. A dialog that is still closing may take a key."""
    for _ in range(12):
        terminal.press(ESCAPE * 2)
        terminal.quiet()
        terminal.press(b"q")
        terminal.read_to_end(5)
        if terminal.process.poll() is not None:
            break
    assert terminal.ends(10) == 0


def test_with_no_color_there_is_no_colour_code_at_all() -> None:
    data = tour({"NO_COLOR": "1", "COLORTERM": "truecolor"})
    assert colour_codes(data) == set()
    assert sgr_codes(data) & {1, 7}  # what matters is bold or reversed instead


@pytest.mark.parametrize(
    ("locale", "kind"),
    [({"LC_ALL": "C"}, "drill"), ({"LC_ALL": "POSIX"}, "production"), ({"LC_ALL": "en_US.ISO-8859-1"}, "production")],
)
def test_a_terminal_that_is_not_unicode_gets_plain_ascii(locale: dict[str, str], kind: str) -> None:
    with Terminal([*ALONE, "firing", "--kind", kind], (80, 24), locale) as terminal:
        terminal.until("Decide.*Plan")
        terminal.quiet()
        shown = screen(terminal.data)
        walk(terminal)
        data = terminal.data
    assert max(data) < 0x80
    sign, border = {"drill": ("o DRILL o", "- 3 Health"), "production": ("#PRODUCTION#", "= 3 Health")}[kind]
    assert sign in shown
    assert border in shown
    assert "X 5xx" in shown
    assert "\\u" not in words(data)
    assert {"drill": "+-", "production": "#="}[kind] in words(data)


def test_a_plain_c_locale_is_no_unicode_though_python_says_so() -> None:
    with Terminal([*ALONE, "firing"], (80, 24), {"LC_ALL": "", "LANG": "C"}) as terminal:
        terminal.until("Decide.*Plan")
        assert max(terminal.data) < 0x80


@pytest.mark.parametrize(
    ("env", "kinds"),
    [
        ({"TERM": "xterm-256color"}, {38005, 48005}),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, {38002, 48002}),
        ({"TERM": "screen"}, set()),
        ({"TERM": "linux"}, set()),
        ({"TERM": "xterm-16color"}, set()),
        ({"TERM": "screen", "WARROOM_THEME": "warroom-dark"}, set()),
    ],
)
def test_no_more_colours_than_the_terminal_has(env: dict[str, str], kinds: set[int]) -> None:
    codes = sgr_codes(tour(env))
    assert {code for code in codes if code > 1000} == kinds
    if not kinds:
        assert any(30 <= code <= 37 or 90 <= code <= 97 for code in codes)
        assert codes <= {*range(30), *range(30, 38), 39, *range(40, 48), 49, *range(90, 98), *range(100, 108)}


def test_line_noise_on_the_keyboard_ends_nothing() -> None:
    """A key of another character set, half a character, and bytes that no terminal sends."""
    with Terminal([*ALONE, "firing"]) as terminal:
        terminal.until("Decide.*Plan")
        terminal.press(b"\xe9\xff\xfe\xc3(\xf0\x9f\x9b")
        terminal.read(0.5)
        terminal.press(b"?")
        terminal.until("help", since=len(terminal.data))
        leave(terminal)


def titles(data: bytes) -> list[str]:
    """OSC 2; of others there is only Textual's 22, the shape of the mouse pointer."""
    found = [token.body for token in tokens(data) if token.kind == "osc" and token.body != "22;default"]
    assert all(body.startswith("2;") for body in found), found
    return found


def test_the_title_says_where_and_how_it_stands_and_goes_back_at_the_end() -> None:
    data = tour({}, kind="production")
    assert titles(data) == ["2;PRODUCTION ai-saas-app INC-0042 FIRING", "2;"]
    modes = [token.body for token in tokens(data) if token.kind == "csi" and token.body.endswith("t")]
    assert modes == ["22;2t", "23;2t"]


def test_the_bell_rings_when_something_fires_and_not_when_nothing_does() -> None:
    def bells(plot: str) -> int:
        with Terminal([*ALONE, plot]) as terminal:
            terminal.until("Decide.*Plan")
            terminal.read(0.5)
            return sum(token.kind == "c0" and token.body == "\x07" for token in tokens(terminal.data))

    assert bells("firing") == 1
    assert bells("calm") == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_the_terminal_back_and_ends_with_its_number(signum: signal.Signals) -> None:
    with Terminal([*ALONE, "firing"]) as terminal:
        terminal.until("Decide.*Plan")
        assert terminal.attributes() != terminal.before
        terminal.process.send_signal(signum)
        assert terminal.ends() == 128 + signum
        assert terminal.attributes() == terminal.before
        assert b"\x1b[?1049l" in terminal.data
        assert terminal.data.rindex(b"\x1b[?25h") > terminal.data.rindex(b"\x1b[?25l")
        for mode in (b"1000", b"1003", b"1006", b"1004", b"2004"):
            assert terminal.data.rindex(b"\x1b[?" + mode + b"l") > terminal.data.rindex(b"\x1b[?" + mode + b"h")


def test_a_stop_from_outside_gives_the_terminal_back_and_going_on_draws_everything_again() -> None:
    with Terminal([*ALONE, "firing"]) as terminal:
        terminal.until("Decide.*Plan")
        os.kill(terminal.process.pid, signal.SIGTSTP)
        terminal.read(0.5)
        assert state(terminal.process.pid) == "T"
        assert terminal.attributes() == terminal.before
        assert terminal.data.rstrip().endswith((b"l", b"h"))
        at = len(terminal.data)
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.until("Decide.*Checklist.*Plan", since=at)
        assert b"\x1b[?1049h" in terminal.data[at:]
        terminal.press(b"?")
        terminal.until("search|Every key|help", since=len(terminal.data))
        leave(terminal)
        assert terminal.attributes() == terminal.before


def test_a_stop_that_nobody_is_told_of_leaves_a_console_that_can_be_used() -> None:
    """SIGSTOP can't be caught: whoever had the terminal meanwhile may have written on it, and set it otherwise."""
    with Terminal([*ALONE, "firing"]) as terminal:
        terminal.until("Decide.*Plan")
        terminal.quiet()
        raw = terminal.attributes()
        for _ in range(3):
            os.kill(terminal.process.pid, signal.SIGSTOP)
            until_state(terminal.process.pid, "T")
            terminal.set_attributes(terminal.before)
            at = len(terminal.data)
            os.kill(terminal.process.pid, signal.SIGCONT)
            terminal.until("Decide.*Checklist.*Plan", since=at)
            assert terminal.attributes() == raw
        at = len(terminal.data)
        terminal.press(b"?")
        terminal.until("search|Every key|help", since=at)
        leave(terminal)
        assert terminal.attributes() == terminal.before


def until_state(pid: int, wanted: str) -> None:
    for _ in range(500):
        if state(pid) == wanted:
            return
        time.sleep(0.01)
    raise AssertionError(f"{state(pid)}, not {wanted}")


def test_ctrl_z_stops_nothing() -> None:
    with Terminal([*ALONE, "firing"]) as terminal:
        terminal.until("Decide.*Plan")
        terminal.press(b"\x1a")
        terminal.read(0.5)
        assert state(terminal.process.pid) != "T"
        terminal.press(b"d\x1a")
        terminal.read(0.5)
        assert state(terminal.process.pid) != "T"


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_a_storm_of_sizes_on_a_real_terminal() -> None:
    """Also 0 × 0, as a line that is being set up has."""
    with Terminal([*ALONE, "busy"]) as terminal:
        terminal.until("Decide.*Plan")
        for size in ((1, 1), (0, 0), (300, 80), (59, 15), (80, 24), (2, 90), (200, 24), (0, 24), (80, 0), (160, 50)):
            terminal.resize(size)
            os.kill(terminal.process.pid, signal.SIGWINCH)
            terminal.read(0.1)
        at = len(terminal.data)
        terminal.resize((80, 24))
        terminal.until("Decide.*Plan", since=at)
        leave(terminal)
