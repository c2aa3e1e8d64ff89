"""The door to other programs, tried on real ones."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from warroom import process
from warroom.errors import ProgramMissing, TimedOut, WarroomError
from warroom.process import guardian
from warroom.process.guard import GUARD
from warroom.process.pipes import Sink

LONG = 60.0

# Starts a grandchild that ignores SIGTERM, writes both numbers, and waits.
STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"],
    stdout=subprocess.PIPE)
grandchild.stdout.readline()
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {grandchild.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


def runs(pid: int) -> bool:
    fields = guardian.stat_fields(pid)
    return bool(fields) and fields[0] not in "ZX"


async def until_written(path: Path) -> list[int]:
    async with asyncio.timeout(LONG):
        while not path.exists():
            await asyncio.sleep(0.02)
    return [int(number) for number in path.read_text().split()]


def until_gone(pids: list[int]) -> None:
    limit = time.monotonic() + LONG
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < limit, f"still there: {pids}"
        time.sleep(0.02)


def python(code: str, *words: str | Path) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *map(str, words)]


async def test_it_says_what_the_program_did() -> None:
    done = await process.run(
        python("import sys; sys.stderr.write('e'); print(sys.stdin.read()); sys.exit(3)"), stdin=b"in", timeout=LONG
    )
    assert (done.returncode, done.stdout, done.stderr, done.truncated) == (3, b"in\n", b"e", False)
    assert done.argv[0] == sys.executable
    assert done.duration > 0


async def test_words_are_never_read_by_a_shell(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = ["$(touch canary)", "; touch canary", "`touch canary`", "--", "-oProxyCommand=touch canary", "* ?", ""]
    done = await process.run(
        python("import sys; print(sys.argv[1:])", *hostile), cwd=tmp_path, env=process.environment(), timeout=LONG
    )
    assert done.stdout.decode().strip() == repr(hostile)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("ls -l", "list of words"),
        (b"ls", "list of words"),
        ([], "name a program"),
        ([""], "name a program"),
        (["ls", "a\0b"], "NUL"),
        (["ls", 5], "list of words"),
        (["ls", Path("x")], "list of words"),
    ],
)
async def test_what_is_no_command_is_refused(argv: list[str], said: str) -> None:
    with pytest.raises(WarroomError, match=said):
        await process.run(argv, timeout=LONG)
    with pytest.raises(WarroomError, match=said):
        await process.start(argv)
    with pytest.raises(WarroomError, match=said):
        process.replace(argv)


async def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    with pytest.raises(ProgramMissing, match=r"no-such-program.*PATH"):
        await process.run(["no-such-program"], timeout=LONG)
    with pytest.raises(ProgramMissing, match="not executable"):
        await process.run([str(plain)], timeout=LONG)
    plain.chmod(0o700)
    with pytest.raises(WarroomError, match="exec format error"):
        await process.run([str(plain)], timeout=LONG)
    with pytest.raises(WarroomError, match="folder"):
        await process.run([sys.executable], cwd=tmp_path / "nowhere", timeout=LONG)
    with pytest.raises(ProgramMissing):
        process.replace(["no-such-program"])


async def test_the_environment_is_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARROOM_TEST_SECRET", "s3cret")
    show = python("import os; print('WARROOM_TEST_SECRET' in os.environ, os.environ.get('EXTRA'))")
    assert (await process.run(show, timeout=LONG)).stdout == b"True None\n"
    less = process.environment(WARROOM_TEST_SECRET=None, EXTRA="x")
    assert (await process.run(show, env=less, timeout=LONG)).stdout == b"False x\n"
    assert (await process.run(show, env={"EXTRA": "y"}, timeout=LONG)).stdout == b"False y\n"


async def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    running = asyncio.ensure_future(process.run(python(STUBBORN_FAMILY, numbers), timeout=6.0, grace=0.2))
    family = await until_written(numbers)
    assert all(runs(pid) for pid in family)
    with pytest.raises(TimedOut, match="6 s"):
        await running
    until_gone(family)


async def test_cancelling_ends_the_program_and_its_children(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    running = asyncio.ensure_future(process.run(python(STUBBORN_FAMILY, numbers), timeout=LONG, grace=0.2))
    family = await until_written(numbers)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    until_gone(family)


async def test_ending_a_program_early_leaves_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    caplog.clear()  # what another test has left is none of this one's
    with pytest.raises(TimedOut):
        await process.run(python("import time; print('up', flush=True); time.sleep(600)"), timeout=0.3, grace=0.1)
    child = await process.start(python("import time; time.sleep(600)"), on_line=lambda stream, line: None)
    await asyncio.sleep(0)
    await child.stop(grace=0)
    await asyncio.sleep(0)
    gc.collect()
    assert caplog.records == []


async def test_cancelling_twice_does_not_wait_for_the_grace(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    running = asyncio.ensure_future(process.run(python(STUBBORN_FAMILY, numbers), timeout=LONG, grace=3600))
    family = await until_written(numbers)
    running.cancel()
    await asyncio.sleep(0.05)  # the first cancel is now waiting out its grace
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(LONG):
            await asyncio.shield(running)
    until_gone(family)


async def test_a_program_may_end_tidily_within_the_grace(tmp_path: Path) -> None:
    code = """
import signal, sys, time, pathlib
def tidy(*_):
    pathlib.Path(sys.argv[1] + ".tidy").write_text("1")
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
pathlib.Path(sys.argv[1]).write_text("1")
time.sleep(600)
"""
    up = tmp_path / "up"
    running = asyncio.ensure_future(process.run(python(code, up), timeout=LONG, grace=LONG))
    await until_written(up)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tmp_path / "up.tidy").exists()


async def test_output_past_the_limit_is_dropped_and_said() -> None:
    code = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('short')"
    done = await process.run(python(code), output_limit=1000, timeout=LONG)
    assert (len(done.stdout), done.stderr, done.truncated, done.returncode) == (1000, b"short", True, 0)
    exact = await process.run(python("print('x' * 999)"), output_limit=1000, timeout=LONG)
    assert (len(exact.stdout), exact.truncated) == (1000, False)


async def test_lines_come_one_by_one_from_both_streams() -> None:
    code = (
        "import sys\n"
        "for n in range(2000): sys.stdout.write(f'{n}\\n')\n"
        "sys.stderr.buffer.write(b'bad \\xff byte\\r\\nno end')"
    )
    lines: list[tuple[str, str]] = []
    await process.run(python(code), output_limit=10, on_line=lambda *line: lines.append(line), timeout=LONG)
    assert [text for stream, text in lines if stream == "stdout"] == [str(number) for number in range(2000)]
    assert [text for stream, text in lines if stream == "stderr"] == ["bad � byte", "no end"]


async def test_an_error_in_on_line_ends_the_program(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"

    def fail(stream: str, line: str) -> None:
        raise ZeroDivisionError(line)

    code = "print('now', flush=True)\n" + STUBBORN_FAMILY
    with pytest.raises(ZeroDivisionError, match="now"):
        await process.run(python(code, numbers), on_line=fail, timeout=LONG, grace=0.2)
    if numbers.exists():
        until_gone(await until_written(numbers))


@pytest.mark.parametrize("sizes", [(1,), (3,), (1000,), (70_000,)])
def test_a_line_without_end_is_handed_on_in_pieces(sizes: tuple[int, ...]) -> None:
    text = "é" * 100_000 + "\nlast"
    data, lines = text.encode(), []
    sink = Sink("stdout", 0, lambda _, line: lines.append(line))
    for start in range(0, len(data), sizes[0]) if sizes[0] > 100 else [0]:
        sink.take(data[start : start + sizes[0]] if sizes[0] > 100 else data)
    sink.close()
    assert "".join(lines[:-1]) == "é" * 100_000
    assert lines[-1] == "last"
    assert max(len(line.encode()) for line in lines) <= process.LINE_LIMIT
    assert "�" not in "".join(lines)


async def test_a_large_input_a_program_does_not_read_is_no_error() -> None:
    done = await process.run(python("print('done')"), stdin=b"x" * 5_000_000, timeout=LONG)
    assert (done.returncode, done.stdout) == (0, b"done\n")
    read = await process.run(python("import sys; print(len(sys.stdin.read()))"), stdin=b"x" * 5_000_000, timeout=LONG)
    assert read.stdout == b"5000000\n"


async def test_a_daemon_left_behind_neither_holds_up_nor_is_ended(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\nprint('begun')"
    )
    done = await process.run(python(code, numbers), timeout=LONG)
    (left,) = await until_written(numbers)
    try:
        assert (done.returncode, done.stdout, done.truncated) == (0, b"begun\n", True)
        assert runs(left)
    finally:
        os.kill(left, signal.SIGKILL)


async def test_a_child_that_stays(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = await process.start(python("import time; print('up', flush=True); time.sleep(600)"), log=log)
    assert process.alive(child.pid, child.start_time)
    assert child.returncode is None
    async with asyncio.timeout(LONG):
        while log.read_bytes() != b"up\n":
            await asyncio.sleep(0.02)
    assert await child.stop() == -signal.SIGTERM
    assert await child.stop() == await child.wait() == -signal.SIGTERM
    assert not process.alive(child.pid, child.start_time)
    assert log.stat().st_mode & 0o777 == 0o600


async def test_a_child_gives_its_lines_and_its_exit_status() -> None:
    lines: list[tuple[str, str]] = []
    child = await process.start(
        python("print('a'); print('b'); raise SystemExit(7)"), on_line=lambda *x: lines.append(x)
    )
    first, second = await asyncio.gather(child.wait(), child.wait())
    assert (first, second, lines) == (7, 7, [("stdout", "a"), ("stdout", "b")])


async def test_a_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(WarroomError, match="log"):
        await process.start([sys.executable], log=tmp_path / "link")


async def test_stopping_reaches_grandchildren_that_ignore_it(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    child = await process.start(python(STUBBORN_FAMILY, numbers))
    family = await until_written(numbers)
    await child.stop(grace=0.2)
    until_gone(family)


async def test_a_number_with_another_start_time_is_not_the_same_process() -> None:
    child = await process.start(python("import time; time.sleep(600)"))
    other = child.start_time + "1"
    assert not process.alive(child.pid, other)
    assert not process.alive(child.pid, "")
    assert not await process.stop_other(child.pid, other)
    assert process.alive(child.pid, child.start_time)
    assert await process.stop_other(child.pid, child.start_time)
    assert await child.wait() == -signal.SIGTERM
    assert not process.alive(child.pid, child.start_time)
    assert not await process.stop_other(child.pid, child.start_time)


async def test_stopping_one_found_again_ends_what_its_killed_leader_left(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    child = await process.start(python(STUBBORN_FAMILY, numbers))
    family = await until_written(numbers)
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    assert runs(family[1])
    assert await process.stop_other(child.pid, child.start_time, grace=0.2)
    until_gone(family)


async def test_a_zombie_does_not_live() -> None:
    popen = subprocess.Popen(python("import sys; sys.stdin.read()"), stdin=subprocess.PIPE)
    started = process.start_time(popen.pid)
    assert process.alive(popen.pid, started)
    popen.kill()
    os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
    assert process.start_time(popen.pid) == started
    assert not process.alive(popen.pid, started)
    popen.communicate()


PARENT = """
import asyncio, os, signal, sys
from warroom import process
async def main():
    how, family, numbers = sys.argv[1:4]
    argv = [sys.executable, "-I", "-S", "-c", family, numbers]
    if how == "run":
        await process.run(argv, timeout=600)
    child = await process.start(argv, dies_with_parent=how != "stays")
    await child.wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["run", "start", "stays"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
async def test_killing_the_parent_ends_what_it_started(how: str, ending: int, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, how, STUBBORN_FAMILY, str(numbers)])
    family = await until_written(numbers)
    parent.send_signal(ending)
    parent.wait()
    if how == "stays":
        assert all(runs(pid) for pid in family)
        assert await process.stop_other(family[0], process.start_time(family[0]), grace=0.2)
    until_gone(family)


def guardian_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", guardian.__file__], stdin=subprocess.PIPE)


def test_a_parent_killed_while_starting_leaves_nothing() -> None:
    watcher = guardian_process()
    named = {"PATH": os.environ["PATH"], guardian.MARK_VARIABLE: "the-mark"}
    other = {"PATH": os.environ["PATH"], guardian.MARK_VARIABLE: "the-mark-2"}
    sleep = python("import time; time.sleep(600)")
    orphan = subprocess.Popen(sleep, env=named, start_new_session=True)
    stranger = subprocess.Popen(sleep, env=other, start_new_session=True)
    try:
        watcher.communicate(b"? gone-1 1\n! gone-1\n? the-mark 2\n", timeout=LONG)
        assert orphan.wait(LONG) == -signal.SIGTERM
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


KILLED_WHILE_STARTING = """
import os, signal, sys
from warroom.process import group, guard
guard.GUARD.started = lambda mark, pid: (print(pid, flush=True), sys.stdin.readline(), os.kill(os.getpid(), 9))
group.spawn(sys.argv[1:], cwd=None, env=dict(os.environ), stdin=-3, stdout=-3, stderr=-3, guarded=True)
"""

WRITES_OVER_ITS_ENVIRONMENT = """
import ctypes, os, time
begin, end = (int(each) for each in open("/proc/self/stat").read().rpartition(")")[2].split()[47:49])
ctypes.memset(begin, 0, end - begin)
time.sleep(600)
"""

CLOSES_WHAT_IT_DID_NOT_OPEN = """
import os, time
os.closerange(3, 4096)
time.sleep(600)
"""


@pytest.mark.parametrize("program", [WRITES_OVER_ITS_ENVIRONMENT, CLOSES_WHAT_IT_DID_NOT_OPEN], ids=["redis", "ssh"])
def test_a_parent_killed_before_it_wrote_the_number_down_leaves_nothing(program: str) -> None:
    argv = [sys.executable, "-c", KILLED_WHILE_STARTING, *python(program)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        began = guardian.start_ticks(child)

        def changed() -> bool:
            words = Path(f"/proc/{child}/environ").read_bytes()
            return guardian.MARK_VARIABLE.encode() not in words or not pipes_of(child)

        until_true(changed)
        parent.communicate(b"now\n", timeout=LONG)
    until_true(lambda: guardian.start_ticks(child) != began or guardian.stat_fields(child)[0] in "ZX")


def pipes_of(pid: int) -> set[str]:
    return {link for link in guardian._open_files(pid) if link.startswith("pipe:")}


def until_true(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_the_guardian_leaves_alone_what_ended_or_got_another_number() -> None:
    watcher = guardian_process()
    children = [subprocess.Popen(python("import time; time.sleep(600)"), start_new_session=True) for _ in range(3)]
    ended, renumbered, known = children
    began = {child.pid: guardian.start_ticks(child.pid) for child in children}
    lines = [
        f"+ a {ended.pid} {began[ended.pid]}",
        f"+ b {renumbered.pid} {int(began[renumbered.pid]) - 1}",
        f"+ c {known.pid} {began[known.pid]}",
        f"- {ended.pid}",
    ]
    try:
        watcher.communicate("\n".join(lines).encode() + b"\n", timeout=LONG)
        assert known.wait(LONG) == -signal.SIGTERM
        assert (ended.poll(), renumbered.poll()) == (None, None)
    finally:
        for child in children:
            child.kill()
            child.wait()


KILLER_OF_GUARDIANS = """
import asyncio, os, signal, sys
from warroom import process
from warroom.process.guard import GUARD
async def main():
    argv = [sys.executable, "-I", "-S", "-c", sys.argv[1]]
    await process.start([*argv, sys.argv[2] + "-1"])
    os.kill(GUARD.pid, signal.SIGKILL)
    while not os.waitid(os.P_PID, GUARD.pid, os.WEXITED | os.WNOWAIT): pass
    child = await process.start([*argv, sys.argv[2] + "-2"])
    await child.wait()
asyncio.run(main())
"""


async def test_a_killed_guardian_is_replaced_and_told_everything(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    parent = subprocess.Popen([sys.executable, "-c", KILLER_OF_GUARDIANS, STUBBORN_FAMILY, str(numbers)])
    family = await until_written(Path(f"{numbers}-1")) + await until_written(Path(f"{numbers}-2"))
    parent.kill()
    parent.wait()
    until_gone(family)


async def test_nothing_stays_noted_after_its_end() -> None:
    await process.run(python("pass"), timeout=LONG)
    assert GUARD.running() == set()


def test_replace_becomes_the_program() -> None:
    code = (
        "import sys\nfrom warroom import process\nprint('first')\n"
        "process.replace([sys.executable, '-c', 'import os; print(os.getpid())'])"
    )
    popen = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    out, _ = popen.communicate(timeout=LONG)
    assert out.split() == [b"first", str(popen.pid).encode()]
