"""Terminals as they are: with few colours or none, in plain ASCII, with line noise; asserted on the bytes of a pty."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.terminals import Terminal, colour_codes, screen, sgr_codes, tokens, words

ALONE = [sys.executable, "-m", "tests.console.alone"]
ESCAPE = b"\x1b[27u"
"""As a terminal sends it that tells it apart from the beginning of another key: no pause after it is needed."""
TOUR = (b"d", ESCAPE, b"?", ESCAPE, b":", ESCAPE, b"m", ESCAPE, b"g", ESCAPE, b"l")
"""Dialogs, the help, the palette; each is drawn before the next key."""
EVERYTHING = "^(?=.*1 Decide)(?=.*2 Checklist)(?=.*6 Plan)"
"""In whatever order: what was still to be drawn when it was asked for comes first."""


def tour(env: dict[str, str], kind: str = "drill", keys: tuple[bytes, ...] = TOUR) -> bytes:
    """Every byte that a look around writes, from the first to the last, the leaving included."""
    with Terminal([*ALONE, "firing", "--kind", kind], (80, 24), env) as terminal:
        terminal.until("Decide.*Plan")
        walk(terminal, keys)
        return terminal.data


def walk(terminal: Terminal, keys: tuple[bytes, ...] = TOUR) -> None:
    for key in keys:
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


@pytest.mark.parametrize(("locale", "kind"), [({"LC_ALL": "C"}, "drill"), ({"LC_ALL": "POSIX"}, "production")])
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


@pytest.mark.parametrize("locale", [{"LC_ALL": "", "LANG": "C"}, {"LC_ALL": "en_US.ISO-8859-1"}])
def test_a_locale_is_no_unicode_whatever_python_says(locale: dict[str, str]) -> None:
    with Terminal([*ALONE, "firing", "--kind", "production"], (80, 24), locale) as terminal:
        terminal.until("#PRODUCTION#.*Decide.*Plan")
        assert max(terminal.data) < 0x80


@pytest.mark.parametrize(
    ("env", "keys", "kinds"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, TOUR, {38002, 48002}),
        ({"TERM": "linux"}, TOUR, set()),
        ({"TERM": "screen"}, TOUR[:2], set()),
        ({"TERM": "xterm-16color"}, TOUR[:2], set()),
        ({"TERM": "screen", "WARROOM_THEME": "warroom-dark"}, TOUR, set()),
    ],
)
def test_no_more_colours_than_the_terminal_has(env: dict[str, str], keys: tuple[bytes, ...], kinds: set[int]) -> None:
    """Names of terminals that have the same colours have the same theme: the whole tour is made on one of them."""
    codes = sgr_codes(tour(env, keys=keys))
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


def test_256_colours_and_the_title_says_where_and_how_it_stands_and_goes_back_at_the_end() -> None:
    data = tour({"TERM": "xterm-256color"}, kind="production")
    assert {code for code in sgr_codes(data) if code > 1000} == {38005, 48005}
    assert titles(data) == ["2;PRODUCTION ai-saas-app INC-0042 FIRING", "2;"]
    modes = [token.body for token in tokens(data) if token.kind == "csi" and token.body.endswith("t")]
    assert modes == ["22;2t", "23;2t"]


def test_the_bell_rings_when_something_fires_and_not_when_nothing_does() -> None:
    def bells(plot: str) -> int:
        with Terminal([*ALONE, plot]) as terminal:
            terminal.until("Decide.*Plan")
            leave(terminal)
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
        until_stopped(terminal)
        assert terminal.attributes() == terminal.before
        assert terminal.data.rstrip().endswith((b"l", b"h"))
        at = len(terminal.data)
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.until(EVERYTHING, since=at)
        assert b"\x1b[?1049h" in terminal.data[at:]
        terminal.press(b"?")
        terminal.until("search|Every key|help", since=len(terminal.data))
        leave(terminal)
        assert terminal.attributes() == terminal.before


IN_A_WRITE = """
import os, runpy, signal
from textual.drivers._writer_thread import WriterThread

class Interrupted(WriterThread):
    def write(self, text):
        if asked:
            asked.clear()
            with self._queue.mutex:
                os.kill(os.getpid(), signal.SIGTSTP)
        super().write(text)

    def start(self):
        os.kill(os.getpid(), signal.SIGCONT)
        super().start()

    def stop(self):
        super().stop()
        if off:
            os.kill(os.getpid(), signal.SIGCONT)

asked = []
off = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(True))
signal.signal(signal.SIGUSR2, lambda *_: off.append(True) or asked.append(True))
from textual.drivers import linux_driver
linux_driver.WriterThread = Interrupted
runpy.run_module("tests.console.alone", run_name="__main__")
"""
"""A stop that comes while the queue of what is to be written is locked, as in one of a hundred on a busy console. The
going on comes twice, the second time into the first.
"""


def test_a_stop_in_the_middle_of_a_write_is_no_standstill() -> None:
    with Terminal([sys.executable, "-c", IN_A_WRITE, "busy"]) as terminal:
        terminal.until("Decide.*Plan")
        threads = os.listdir(f"/proc/{terminal.process.pid}/task")
        for _ in range(2):
            os.kill(terminal.process.pid, signal.SIGUSR1)
            until_stopped(terminal)
            assert terminal.attributes() == terminal.before
            at = len(terminal.data)
            os.kill(terminal.process.pid, signal.SIGCONT)
            terminal.until(EVERYTHING, since=at)
            assert len(os.listdir(f"/proc/{terminal.process.pid}/task")) == len(threads)
        at = len(terminal.data)
        os.kill(terminal.process.pid, signal.SIGUSR2)
        terminal.until(EVERYTHING, since=at)  # going on came before it had stopped: it doesn't
        leave(terminal)


HELD_UP = """
import asyncio, os, runpy, signal, sys
from warroom.console import app

class Restless(app.WarroomConsole):
    def on_mount(self):
        self.run_worker(self.many_frames())

    async def many_frames(self):
        while not os.path.exists(sys.argv[2]):
            await asyncio.sleep(0.02)
        for _ in range(60):
            self.forget_frames()
            self.refresh()
            await asyncio.sleep(0.03)
        self.notify("The engine went on meanwhile.", timeout=600)
        await asyncio.sleep(0.03)
        os.unlink(sys.argv[2])

app.WarroomConsole = Restless
try:
    runpy.run_module("tests.console.alone", run_name="__main__")
finally:
    print(*("ours" if callable(signal.getsignal(one)) else "default" for one in (signal.SIGTSTP, signal.SIGCONT)))
"""
"""More frames than Textual's queue takes, drawn by the loop that the engine runs on."""


def test_a_terminal_that_takes_nothing_holds_up_nothing_but_what_is_drawn(tmp_path: Path) -> None:
    """And once the console is left, a stop (Ctrl+Z, while the engine ends) is the shell's: nothing draws again."""
    going = tmp_path / "going"
    with Terminal([sys.executable, "-c", HELD_UP, "firing", str(going)]) as terminal:
        terminal.until("Decide.*Plan")
        at = len(terminal.data)
        going.touch()
        end = time.monotonic() + 90
        while going.exists():
            assert time.monotonic() < end, "it stands still"
            time.sleep(0.05)
        terminal.until("The engine went on meanwhile", since=at)
        leave(terminal)
        assert words(terminal.data).endswith("default default")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_takes_nothing_any_more_keeps_nothing_from_ending(
    signum: signal.Signals, tmp_path: Path
) -> None:
    """A line that is dead, a window that is held: it never reads again. What is said at the end can't be told."""
    going = tmp_path / "going"
    with Terminal([sys.executable, "-c", HELD_UP, "firing", str(going)]) as terminal:
        terminal.until("Decide.*Plan")
        going.touch()
        end = time.monotonic() + 90
        while going.exists():
            assert time.monotonic() < end, "it stands still"
            time.sleep(0.05)
        terminal.process.send_signal(signum)
        assert terminal.process.wait(timeout=90) == 128 + signum
        assert terminal.attributes() == terminal.before


def until_stopped(terminal: Terminal) -> None:
    """By its own doing, with all it still had to write; the terminal's other end must be read meanwhile."""
    end = time.monotonic() + 60
    while (seen := state(terminal.process.pid)) != "T":
        assert time.monotonic() < end, f"{seen}, not stopped"
        terminal.read(0.05)
    terminal.read(0.2)


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
            terminal.until(EVERYTHING, since=at)
            assert terminal.attributes() == raw
        at = len(terminal.data)
        terminal.press(b"?")
        terminal.until("search|Every key|help", since=at)
        leave(terminal)
        assert terminal.attributes() == terminal.before


def until_state(pid: int, wanted: str) -> None:
    for _ in range(6000):
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


def test_a_size_that_came_back_is_drawn_anew() -> None:
    """To another size and back before anyone looked: the terminal has lost what stood there."""
    with Terminal([*ALONE, "silent"]) as terminal:
        terminal.until("Decide.*Plan")
        terminal.read(0.5)
        at = len(terminal.data)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.until(EVERYTHING, since=at)
        leave(terminal)


def test_a_storm_of_sizes_on_a_real_terminal() -> None:
    """Also 0 × 0, as a line that is being set up has."""
    with Terminal([*ALONE, "busy"]) as terminal:
        terminal.until("Decide.*Plan")
        for size in ((1, 1), (0, 0), (300, 80), (59, 15), (80, 24), (2, 90), (200, 24), (0, 24), (80, 0), (160, 50)):
            terminal.resize(size)
            os.kill(terminal.process.pid, signal.SIGWINCH)
            terminal.read(0.1)
        at = len(terminal.data)
        terminal.resize((90, 26))  # none of the storm's, which a busy machine may see as one
        terminal.until(EVERYTHING, since=at)
        leave(terminal)
