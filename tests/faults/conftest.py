"""Journals to do harm to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journals import make_closed, make_killed


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
