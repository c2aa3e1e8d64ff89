"""What `./dev` does: set up .venv when that is due, then run a check or hand over to `warroom`.

Standard library only: this runs before anything is installed. All it says about itself goes to standard error, so
that `./dev drill --json` leaves standard output to the drill.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools")]

USAGE = """\
usage: ./dev COMMAND [ARGUMENTS]

  drill         a broken release on real processes, on this machine: the console opens on it
  test          every check: ruff, mypy, import-linter, pytest (arguments go to pytest)
  lint          the checks without pytest; --fix mends what ruff can
  bench         the benchmarks
  faults        the whole fault suite; `test` runs a smaller sample of it
  kube          the Kubernetes tests again, on a real API server and its controllers; the first time builds them
  screenshots   draw screenshots/ from the running console

Anything else goes to `warroom`: ./dev --help lists its commands. What is needed is set up first, in .venv;
WARROOM_PYTHON names the Python to use.
"""

LINT = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy"]),
    ("import-linter", ["lint-imports"]),
)
NOTHING_COLLECTED = 5
NOT_BUILT = 69
"""``./dev kube`` where its control plane can't be had: EX_UNAVAILABLE."""


WORKERS = ("-n", "5", "--dist", "worksteal")
"""More than a small machine has cores: many tests wait for real processes, and those that share a server stay together.
"""


KUBE = ("tests/plugins", "tests/faults", *(f"tests/unit/test_kube_{name}.py" for name in ("controllers", "emulator")))
ABOUT_KUBE = ("-k", "kubernetes or test_kube_")


def tool(name: str) -> str:
    return str(ROOT / ".venv" / "bin" / name)


def environment() -> dict[str, str]:
    # Where nothing compiled is kept, each of the many short programs that the tests start compiles warroom anew.
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def call(argv: list[str], **extra: str) -> int:
    import subprocess

    try:
        return subprocess.run(
            [tool(argv[0]), *argv[1:]], cwd=ROOT, env={**environment(), **extra}, check=False
        ).returncode
    except KeyboardInterrupt:
        return 130


def lint(arguments: list[str]) -> list[str]:
    """Run the checks; the names of those that failed."""
    if "--fix" in arguments:
        call(["ruff", "check", "--fix", "--quiet", "."])
        call(["ruff", "format", "--quiet", "."])
    failed = []
    for name, argv in LINT:
        print(f"── {name}", flush=True)
        if call(argv) != 0:
            failed.append(name)
    return failed


def pytest(arguments: list[str], within: tuple[str, ...] = ()) -> int:
    """Run pytest with a temporary folder that nobody else can get at: before 9.0.3 it trusts a name under /tmp.

    ``within`` is a command that runs it, given its words.
    """
    import shutil
    import tempfile

    private = tempfile.mkdtemp(prefix="warroom-")
    print("── pytest", flush=True)
    words = ["-ra", f"--basetemp={private}/t", *arguments]
    status = call([*within, tool("pytest"), *words] if within else ["pytest", *words])
    if status in (0, NOTHING_COLLECTED):
        shutil.rmtree(private, ignore_errors=True)
    else:
        say(f"The tests' files were kept in {private}.")
    return status


@contextmanager
def compiled(arguments: list[str]) -> Iterator[None]:
    """Afterwards the tests are compiled: each worker of pytest would do it for itself, at the same time as the others.

    It is done beside the checks, which leave the other cores idle. What can't be collected is told by pytest itself.
    """
    import subprocess

    words = [tool("pytest"), "--collect-only", "-qq", "-n0", *arguments]
    nowhere = subprocess.DEVNULL
    collecting = subprocess.Popen(words, cwd=ROOT, env=environment(), stdin=nowhere, stdout=nowhere, stderr=nowhere)
    try:
        yield
        with suppress(KeyboardInterrupt):
            collecting.wait()
    finally:
        collecting.kill()
        collecting.wait()


def test(arguments: list[str]) -> int:
    with compiled(arguments):
        failed = lint([])
    if pytest([*WORKERS, *arguments]) != 0:
        failed.append("pytest")
    if failed:
        say(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


def suite(folder: str, arguments: list[str]) -> int:
    status = pytest([folder, "--full", "--timeout=0", *arguments])
    if status == NOTHING_COLLECTED:
        say(f"{folder} holds nothing to run with these arguments.")
    return status


def kube(arguments: list[str]) -> int:
    """The Kubernetes tests once more, on a control plane built from Debian's sources instead of on the emulator."""
    import subprocess

    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "warroom-control-plane"
    print("── the control plane", flush=True)
    if subprocess.run([ROOT / "tests/kube/plane/build", kept], check=False).returncode != 0:
        say("The control plane could not be built here: it wants apt-get with Debian's sources.")
        return NOT_BUILT
    return pytest(["-n", "2", *KUBE, *ABOUT_KUBE, *arguments], ("python", "-m", "tests.kube.plane", str(kept)))


def screenshots(arguments: list[str]) -> int:
    """Plays a real drill by keys and draws what the console shows; it takes a minute or two."""
    return call(["python", "-m", "tests.console.draw_screenshots", *arguments])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    import setup_venv

    if not arguments:
        print(USAGE, end="")
        return 0
    try:
        setup_venv.ensure(ROOT, say)
    except setup_venv.CannotSetUp as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Set-up was interrupted; the next ./dev begins it again.")
        return 130
    command, *rest = arguments
    match command:
        case "test":
            return test(rest)
        case "lint":
            return 1 if lint(rest) else 0
        case "bench":
            return suite("tests/bench", ["-n", "0", *rest])
        case "faults":
            return suite("tests/faults", ["-n", "2", *rest])
        case "kube":
            return kube(rest)
        case "screenshots":
            return screenshots(rest)
    sys.stdout.flush()
    os.execv(tool("warroom"), [tool("warroom"), *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
