"""One program feeds another: the second sees an end of its input only where the first has ended well."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.test_actions_doors import Door
from tests.unit.test_process import LONG, python, runs, until_gone, until_written
from warroom import process
from warroom.errors import ProgramMissing, TimedOut
from warroom.model.call import ProcessCall

UPPER = "import sys; sys.stdout.write(sys.stdin.read().upper())"
WRITES_ITS_END = "import sys; text = sys.stdin.read(); open(sys.argv[1], 'w').write(text + 'END')"
HALF = "import sys; sys.stdout.write('half'); sys.stdout.flush(); sys.stderr.write('it is cut'); sys.exit(3)"
WRITES_ALWAYS = "import sys\nwhile True: sys.stdout.write('x' * 65536)"


async def piped(first: list[str], second: list[str], path: Path, timeout: float = LONG) -> process.Finished:
    with path.open("rb") as file:
        return await process.piped(first, second, stdin=file.fileno(), timeout=timeout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a file"
    path.write_text("abc\n" * 100_000)
    return path


async def test_what_one_writes_the_other_reads_to_its_end(file: Path, tmp_path: Path) -> None:
    written = tmp_path / "written"
    done = await piped(python(UPPER), python(WRITES_ITS_END, written), file)
    assert done.returncode == 0
    assert written.read_text() == "ABC\n" * 100_000 + "END"


async def test_an_end_that_is_none_is_never_seen(file: Path, tmp_path: Path) -> None:
    """It is ended while it still waits for more."""
    written = tmp_path / "written"
    done = await piped(python(HALF), python(WRITES_ITS_END, written), file)
    assert (done.returncode, done.stderr) == (3, b"it is cut")
    assert not written.exists()


async def test_one_that_fails_says_why_and_holds_up_nobody(file: Path) -> None:
    ends = python("import sys; sys.stdin.read(5); sys.stderr.write('no room'); sys.exit(4)")
    done = await piped(python(WRITES_ALWAYS), ends, file)
    assert (done.returncode, done.stderr) == (4, b"no room")
    early = await piped(python(WRITES_ALWAYS), python("pass"), file)
    assert early.returncode != 0, "not all of it was read, and that is a failure of the first"


async def test_what_can_not_be_started_and_what_takes_too_long_leaves_nothing(file: Path, tmp_path: Path) -> None:
    waits = "import os, sys, time; open(sys.argv[1] + '.part', 'w').write(str(os.getpid()));"
    waits += " os.rename(sys.argv[1] + '.part', sys.argv[1]); time.sleep(600)"
    for first, second in (
        (["/nowhere/at/all"], python(waits, tmp_path / "b")),
        (python(WRITES_ALWAYS), ["/nowhere/at/all"]),
    ):
        with pytest.raises(ProgramMissing):
            await piped(first, second, file)
    first, second = python(waits, tmp_path / "one"), python(waits, tmp_path / "two")
    whole = asyncio.create_task(piped(first, second, file))
    pids = [*await until_written(tmp_path / "one"), *await until_written(tmp_path / "two")]
    assert all(map(runs, pids))
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    until_gone(pids)
    with pytest.raises(TimedOut):
        await piped(first, second, file, timeout=0.5)


async def test_the_door_does_what_a_shell_makes_of_the_line(file: Path, tmp_path: Path) -> None:
    written = tmp_path / "wri'tten"
    call = ProcessCall(
        argv=tuple(python(WRITES_ITS_END, written)), stdin_file=str(file), stdin_from=tuple(python(UPPER)), timeout_s=60
    )
    assert (await Door(call).does(call)).status == 0
    by_us = written.read_text()
    written.unlink()
    subprocess.run(["/bin/sh", "-c", call.paste()], check=True, timeout=60)
    assert written.read_text() == by_us == "ABC\n" * 100_000 + "END"


def test_a_line_names_both_and_only_a_file_is_handed_on() -> None:
    call = ProcessCall(argv=("psql", "x y"), env={"PGUSER": "a b"}, stdin_file="/a b", stdin_from=("gzip", "-dc"))
    assert call.paste() == "gzip -dc < '/a b' | PGUSER='a b' psql 'x y'"
    assert shlex.split(call.paste())[0] == "gzip"
    assert "stdin_from" not in ProcessCall(argv=("x",)).model_dump(), "or plans of before would have another hash"
    assert ProcessCall.model_validate_json(call.model_dump_json()) == call
    with pytest.raises(ValidationError, match="stdin_from reads stdin_file"):
        ProcessCall(argv=("x",), stdin_from=("gzip",))


def test_a_real_tool_feeds_it(tmp_path: Path) -> None:
    """And a packed file that is cut short gives no end."""
    whole, cut, written = tmp_path / "a.gz", tmp_path / "cut.gz", tmp_path / "written"
    data = os.urandom(200_000).hex().encode()
    whole.write_bytes(subprocess.run(["gzip", "-c"], input=data, capture_output=True, check=True, timeout=60).stdout)
    cut.write_bytes(whole.read_bytes()[:-4])
    copies = [sys.executable, "-I", "-S", "-c", WRITES_ITS_END, str(written)]
    done = asyncio.run(piped(["gzip", "-dc"], copies, whole))
    assert done.returncode == 0
    assert written.read_bytes() == data + b"END"
    written.unlink()
    done = asyncio.run(piped(["gzip", "-dc"], copies, cut))
    assert done.returncode == 1
    assert b"unexpected end of file" in done.stderr
    assert not written.exists()


async def test_lines_come_before_the_file(file: Path, tmp_path: Path) -> None:
    """More than a pipe takes at once, and to a program that reads none of it."""
    before = b"a line before\n" * 20_000
    with file.open("rb") as given:
        done = await process.piped(python(UPPER), python(UPPER), stdin=given.fileno(), timeout=LONG, before=before)
    assert done.stdout == before.upper() + b"ABC\n" * 100_000
    with file.open("rb") as given:
        done = await process.piped(
            ["cat"], python("import sys; sys.exit(4)"), stdin=given.fileno(), timeout=LONG, before=before
        )
    assert done.returncode == 4
    with file.open("rb") as given:
        early = await process.piped(["cat"], python("pass"), stdin=given.fileno(), timeout=LONG, before=before)
    assert early.returncode != 0, "not all of it was read"


async def test_a_program_is_given_lines_and_then_a_file(tmp_path: Path, file: Path) -> None:
    call = ProcessCall(argv=("wc", "-l"), stdin=("one\n", "two\n"), stdin_file=str(file))
    assert call.paste() == f"{{ printf %s 'one\n' 'two\n'; cat < '{file}'; }} | wc -l"
    done = await Door(call).does(call)
    assert (done.status, done.text.strip()) == (0, "100002")
    assert ProcessCall.model_validate_json(call.model_dump_json()) == call
