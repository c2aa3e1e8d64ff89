"""Journals and a database to do harm to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.journals import make_closed, make_killed

if TYPE_CHECKING:
    from tests.faults.postgres_site import Site


@pytest.fixture(scope="session")
def postgres_site() -> Iterator[Site]:
    """Left as it was found by each test: nothing beside the live database. One that uses it needs "userns"."""
    from tests.faults.postgres_site import a_site

    with a_site() as made:
        yield made


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as kill -9 leaves it. To be copied, not changed."""
    folder = tmp_path_factory.mktemp("killed") / "INC-0001"
    make_killed(folder)
    return folder


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same journal, closed in order. To be copied, not changed."""
    folder = tmp_path_factory.mktemp("closed") / "INC-0001"
    make_closed(folder)
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a journal to a state folder of the test's own, each time anew."""

    def copy(folder: Path) -> Path:
        target = tmp_path / "incidents" / "INC-0001"
        shutil.rmtree(target, ignore_errors=True)
        return Path(shutil.copytree(folder, target))

    return copy
