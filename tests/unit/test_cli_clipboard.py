"""Copying into a real tmux; and saying so where it was not copied."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from warroom.cli.clipboard import copier, into_tmux
from warroom.errors import ProgramMissing, WarroomError

TEXT = "2026-03-02T03:00:00.000Z web größe; $(touch canary) `id` \"'\nsecond line"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A tmux of this test's own, and the TMUX variable that its programs have."""
    argv = ["tmux", "-f", os.devnull, "-S", str(tmp_path / "s")]
    subprocess.run([*argv, "new-session", "-d", "sleep 1000"], check=True, timeout=60)
    monkeypatch.setenv("TMUX", f"{tmp_path / 's'},1,0")
    try:
        yield argv
    finally:
        subprocess.run([*argv, "kill-server"], check=False, timeout=60, capture_output=True)


def held(argv: list[str]) -> str:
    return subprocess.run([*argv, "show-buffer"], check=True, capture_output=True, timeout=60).stdout.decode()


@pytest.mark.needs("tmux")
async def test_it_is_copied_as_it_is_and_tmux_has_confirmed_it(server: list[str]) -> None:
    copy = copier()
    assert copy is not None
    assert (await copy(TEXT)).startswith("copied to tmux")
    assert held(server) == TEXT
    huge = "x" * 500_000
    await copy(huge)
    assert held(server) == huge


@pytest.mark.needs("tmux")
async def test_a_tmux_that_is_gone_is_no_copy(server: list[str]) -> None:
    subprocess.run([*server, "kill-server"], check=True, timeout=60)
    with pytest.raises(WarroomError, match=r"Not copied\. tmux says: "):
        await into_tmux(TEXT)


async def test_an_older_tmux_is_asked_without_what_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "tmux"
    fake.write_text(
        '#!/bin/sh\nif [ "$2" = -w ]; then echo "tmux: unknown option -- w" >&2; exit 1; fi\n'
        f'echo "$@" > {tmp_path}/args; cat > {tmp_path}/got\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = await into_tmux(TEXT)
    assert "can't pass it on" in said
    assert (tmp_path / "got").read_text(encoding="utf-8") == TEXT
    assert (tmp_path / "args").read_text(encoding="utf-8") == "load-buffer -\n"


async def test_without_tmux_on_the_machine_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="tmux is not on this machine"):
        await into_tmux(TEXT)


def test_outside_tmux_there_is_nobody_to_confirm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    assert copier() is None
