"""What every test stands on: engines it may need, a home of its own, and the size of its sample.

A test names what it needs of the machine: ``@pytest.mark.needs("tmux")``. Where that is missing the test is skipped,
and the reason says what to install; where ``WARROOM_CI_REQUIRE`` names it, the test fails instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.docker_engine import DockerEngine, no_compose, no_dockerd, shared_engine
from tests.kube.fixtures import cluster, fleet, kinds_of_others, namespace, shared_cluster, workload
from tests.kube.real import REAL
from tests.ordering import dealt
from warroom.cli.loop import settle

__all__ = ["cluster", "fleet", "kinds_of_others", "namespace", "shared_cluster", "workload"]

REQUIRED = "WARROOM_CI_REQUIRE"

# A shell that starts this in the background ignores Ctrl+C for it, and every program would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("warroom", deadline=None)
settings.load_profile("warroom")


def program(name: str, beside: str = "") -> Callable[[], str]:
    """``beside`` is a folder where it may lie without being on everybody's PATH."""
    return lambda: "" if shutil.which(name) or shutil.which(name, path=beside or None) else f"no {name} on PATH"


def works(*argv: str) -> Callable[[], str]:
    """Not only there: this system lets it do its work."""

    def look() -> str:
        try:
            done = subprocess.run(argv, capture_output=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{argv[0]} can't be run: {error}"
        return "" if done.returncode == 0 else f"this system refuses {' '.join(argv)}"

    return look


def postgres() -> str:
    """Debian keeps the server's programs off PATH."""
    return "" if list(Path("/usr/lib/postgresql").glob("*/bin/postgres")) else "no PostgreSQL in /usr/lib/postgresql"


ENGINES: dict[str, Callable[[], str]] = {
    "chromium": program("chromium"),
    "compose": no_compose,
    "docker-registry": program("docker-registry"),
    "dockerd": no_dockerd,
    "kube-emulator": lambda: "a real cluster was given, and it can't be steered" if REAL.kubeconfig else "",
    "kubectl": works("kubectl", "version", "--client=true"),
    "openssl": program("openssl"),
    "pgbouncer": program("pgbouncer", "/usr/sbin"),
    "postgres": postgres,
    "prometheus": works("prometheus", "--version"),
    "sshd": program("sshd", "/usr/sbin"),
    "strace": works("strace", "-f", "-o", "/dev/null", "true"),
    "tmpfs": works("unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"),
    "tmux": program("tmux"),
    "userns": works("unshare", "-U", "--map-user=1000", "--map-group=1000", "true"),
}
"""What a test may need, each with a look that answers "" when it is there, else why it is not. A test that needs
something new adds its line here, and `.ci/run` learns to install it.
"""


@cache
def missing(engine: str) -> str:
    return ENGINES[engine]()


@cache
def required() -> frozenset[str]:
    return frozenset(name.strip() for name in os.environ.get(REQUIRED, "").split(",") if name.strip())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="whole fault and benchmark runs, not the small sample")


def pytest_configure(config: pytest.Config) -> None:
    if unknown := required() - ENGINES.keys():
        raise pytest.UsageError(f"{REQUIRED} names what no test needs: {', '.join(sorted(unknown))}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    worker: dict[str, int] = getattr(config, "workerinput", {})
    items[:] = dealt(items, worker.get("workercount", 1)) if worker else items
    for item in items:
        for engine in _needed(item):
            if engine not in ENGINES:
                raise pytest.UsageError(f"{item.nodeid} needs {engine!r}, which tests/conftest.py does not know")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Python's garbage collection, as the console sets it for itself: it was a quarter of a console test's time.

    Where nothing is run, hypothesis draws once. What it works out of the code and of Unicode it keeps on the disk; in a
    fresh copy of the project each worker would do that for itself (`./dev test` collects once, before they start).
    """
    settle()
    if session.config.option.collectonly:
        _drawn()


@settings(max_examples=1, database=None)
@given(st.text())
def _drawn(_: str) -> None:
    pass


def pytest_runtest_setup(item: pytest.Item) -> None:
    for engine in _needed(item):
        if why := missing(engine):
            if engine in required():
                pytest.fail(f"needs {engine}, which must be here: {why}", pytrace=False)
            pytest.skip(f"needs {engine}: {why}")


def _needed(item: pytest.Item) -> list[str]:
    return [str(engine) for mark in item.iter_markers("needs") for engine in mark.args]


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home for the test run alone: no test reads the person's settings or writes into their state folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("CONFIG", "STATE", "CACHE", "DATA"):
            patch.delenv(f"XDG_{name}_HOME", raising=False)
        for name in [name for name in os.environ if name.startswith("WARROOM_") and name != REQUIRED]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def docker_engine() -> DockerEngine:
    """The one that all of this run's workers share. A test that uses it needs "dockerd"."""
    return shared_engine()


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """True under `./dev faults` and `./dev bench`: run the whole of it, not the small sample."""
    return bool(request.config.getoption("--full"))
