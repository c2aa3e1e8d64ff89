"""Into the program and out of it: errors in plain words, and where its log goes."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import NoReturn

from warroom.cli.loop import Ended
from warroom.console.leaving import end
from warroom.errors import WarroomError


def main() -> NoReturn:
    """The entry point. A terminal that takes nothing any more keeps nothing from ending."""
    try:
        _main()
    except SystemExit as leaving:
        end(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
        raise


def _main() -> NoReturn:
    """Every error is told in plain words, exit 1; a closed pipe or a signal ends quietly.

    One that nobody thought of is told in a sentence too; its traceback is in warroom's own log.
    """
    from warroom.cli.commands import app
    from warroom.engine import crash_reports, own_log

    own_log.begin(_default_folder)
    _any_text()
    try:
        crash_reports.begin()
        app()
    except WarroomError as error:
        _tell(error)
    except BrokenPipeError:
        sys.stderr.close()
    except Ended as ended:
        _let_go()
        sys.exit(ended.status)
    except Exception as error:  # noqa: BLE001 - the last resort: a person is told where to look, and gets no traceback
        _tell(_unexpected(error))
    sys.exit(1)


def _any_text() -> None:
    """What a terminal's character set lacks is written as its number; it is no reason to say nothing at all."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go() -> None:
    """What is still to be written to a terminal that is gone goes nowhere: Python would end with 120 over it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _tell(error: WarroomError) -> None:
    """On a terminal nothing that came from outside may be more than text."""
    from warroom.redact import visible

    print(f"warroom: {visible(error.title)}", file=sys.stderr)
    for line in (error.cause, error.hint):
        if line:
            print("  " + visible(line).replace("\n", "\n  "), file=sys.stderr)


def _unexpected(error: Exception) -> WarroomError:
    """A group of errors that all have words is told by them; anything else is logged."""
    import logging

    from warroom.engine import crash_reports, own_log

    if isinstance(error, ExceptionGroup):
        known = _flat(error)
        if known and all(isinstance(one, WarroomError) for one in known):
            return WarroomError(str(known[0]), "; ".join(str(one) for one in known[1:]))
    logging.getLogger("warroom").error("an error that nobody thought of", exc_info=error)
    crash_reports.report(error, wait=True)
    words = own_log.clean(f"{type(error).__name__}: {error}".splitlines()[0])
    log = own_log.path()
    return WarroomError("This went wrong in a way that nobody thought of", words, f"details: {log}" if log else "")


def _flat(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _flat(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


def _default_folder() -> Path:
    from warroom.journal.folder import StateFolder

    return StateFolder().path
