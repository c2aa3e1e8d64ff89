"""The terminal's driver on Unix: a terminal may go away, be taken away for a while, and come back.

Textual writes to the terminal on a thread of its own, by a queue that holds thirty writes. When the terminal is gone,
that thread ends at its first error, and the next writes wait for room that never comes: the whole program would stand
still, an engine in the middle of a plan included. Here the writes fail in silence instead, and the signal that comes
with the loss of a terminal (SIGHUP) ends everything in order.

A terminal that takes nothing for a while (a line that hangs, a window that is held) would do the same. So the queue
takes every write, and the app draws nothing while the terminal is ``behind``.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import termios
from collections.abc import Callable
from typing import IO, Any, ClassVar

from textual.drivers import linux_driver

from warroom.console import leaving
from warroom.console.ascii import plain
from warroom.console.text import clean, cut

_TITLE_CELLS = 120
WAITING = 30
"""Writes that may wait for the terminal before it is behind."""
LEAVING_S = 2.0
"""How long the rest of the program waits at the end for a terminal that takes nothing."""


class Unbroken:
    """A file that takes every write, whether or not anybody is left to read it. All else is the file's own.

    ``translate`` has the last word on the bytes.
    """

    def __init__(self, file: IO[str], translate: Callable[[str], str] = str) -> None:
        self._file = file
        self._translate = translate

    def write(self, text: str) -> int:
        try:
            return self._file.write(self._translate(text))
        except (OSError, ValueError):  # a terminal that hung up; a file that was closed
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _lenient(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return lambda: codecs.getincrementaldecoder(encoding)(errors="replace")


# A byte that is no UTF-8 (a key of another character set, line noise) ends Textual's reading, and with it the app.
vars(linux_driver)["getincrementaldecoder"] = _lenient


class Outliving(linux_driver.LinuxDriver):
    """Textual's, for a terminal that may hang up, and that others may have for a while."""

    unicode: ClassVar[bool] = True
    _title = ""
    _modes: list[Any] | None = None
    _stop: asyncio.Handle | None = None
    _for_a_while = False
    _called_off = False
    _going_on = False
    _asked_again = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._file: Any = Unbroken(self._file, str if self.unicode else plain)

    def set_title(self, words: str) -> None:
        """The terminal's own title is put back at the end."""
        if not self._title:
            self.write(TITLE_KEPT)
        self._title = words
        self.write(title_bytes(words))

    @property
    def behind(self) -> bool:
        """The terminal has not yet taken what it was given."""
        return self._writer_thread is not None and self._writer_thread._queue.qsize() > WAITING

    def start_application_mode(self) -> None:
        forget = getattr(self._app, "forget_frames", None)
        if forget is not None:
            forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual has not typed it
        if self._writer_thread is not None:
            self._writer_thread._queue.maxsize = 0  # no write waits for room: engine and console share this thread
        self._modes = attributes(self.fileno)
        if self._title:
            self.write(TITLE_KEPT)
            self.write(title_bytes(self._title))

    def _sigtstp_application(self, *_: object) -> None:
        """Stops between two callbacks. A signal's handler may find the queue of writes locked, by the very call
        that it interrupts; the terminal's own modes could then never be written, and the program would stand still.
        """
        if not self._loop.is_running():
            super()._sigtstp_application()
        elif self._stop is None:
            self._stop = self._loop.call_soon_threadsafe(self._stop_now)

    def _stop_now(self) -> None:
        """Giving the terminal back takes a while: a SIGCONT that comes meanwhile calls the stop off as well."""
        self._stop = None
        self._called_off = False
        self.suspend_application_mode()
        self._must_signal_resume = True
        if self._called_off:
            self._go_on()
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        """Takes up what was suspended; after a stop that nobody was told of (SIGSTOP), only draws anew. One that is
        still to come is called off, as the kernel does.

        A terminal that hangs up sends SIGCONT right after SIGHUP. Textual would then start its threads anew, over
        the ones it has or after they were ended, and nobody would ever end those: the process would stay.
        """
        if self._stop is not None:
            self._stop.cancel()
            self._stop = None
        if self._for_a_while:
            self._called_off = True
            return
        if self._must_signal_resume:
            self._go_on()
            return
        put_back(self.fileno, self._modes)
        forget = getattr(self._app, "forget_frames", None)
        if forget is not None and self._loop.is_running():
            forget()
            self._loop.call_soon_threadsafe(self._app.refresh)

    def _go_on(self) -> None:
        """One at a time: a second SIGCONT that comes into the first would start its threads twice, and the first ones
        would never end. It counts all the same: from the background the first one ends in another stop.
        """
        self._asked_again = True
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._asked_again and self._must_signal_resume:
                self._asked_again = False
                super()._sigcont_application()
        finally:
            self._going_on = False

    def suspend_application_mode(self) -> None:
        self._for_a_while = True
        try:
            super().suspend_application_mode()
        finally:
            self._for_a_while = False

    def stop_application_mode(self) -> None:
        if not self._for_a_while:
            self._signals_back()
        if self._title:
            self.write(TITLE_BACK)
        super().stop_application_mode()

    def close(self) -> None:
        """What is still to be written is waited for; at the end not longer than the engine can wait to be ended; once
        it has, as long as the terminal takes any of it.
        """
        writer = self._writer_thread
        if self._for_a_while or writer is None:
            super().close()
            return
        self._signals_back()
        writer._queue.put(None)
        writer.join(LEAVING_S)
        if writer.is_alive():
            leaving.let_be(writer, writer._queue.qsize)

    def _signals_back(self) -> None:
        """Nobody draws any more, but the engine may take a while to end: who is stopped then and goes on (Ctrl+Z, fg)
        must not find the terminal taken again.
        """
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        if self._stop is not None:
            self._stop.cancel()
            self._stop = None


class InAscii(Outliving):
    """For a terminal that knows no Unicode."""

    unicode = False


def attributes(terminal: int) -> list[Any] | None:
    """The modes of a terminal; None of what is none."""
    try:
        return termios.tcgetattr(terminal)
    except termios.error:
        return None


def put_back(terminal: int, modes: list[Any] | None) -> None:
    """A shell that had the terminal meanwhile has set it to its own modes. Never from the background: that stops."""
    try:
        if modes is not None and os.tcgetpgrp(terminal) == os.getpgrp():
            termios.tcsetattr(terminal, termios.TCSANOW, modes)
    except (OSError, termios.error):  # it hung up
        return


def title_bytes(words: str) -> str:
    """Sets the terminal's title. The words are cleaned: nothing in them can end the sequence, or begin another."""
    return f"\x1b]2;{cut(clean(words), _TITLE_CELLS)}\x07"


TITLE_KEPT = "\x1b[22;2t"
"""The terminal is asked to remember the title it has; those that don't know this pass over it."""
TITLE_BACK = "\x1b]2;\x07\x1b[23;2t"
