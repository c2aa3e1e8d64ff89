"""Makes the app's repository: real commits with fixed authors and dates, so their ids are the same everywhere."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from warroom.drills.lab.repository import Repository

SOURCE = Path(__file__).parent / "releases"
BASE_DATE = "2025-08-05T09:12:00+00:00"
AUTHOR = ("Mara Lindqvist", "mara@ai-saas.example")

BETA_2 = ("0001", "0002")
BETA_2_RELEASE = "0003"
BETA_3 = ("0004",)
TARGET_FAULT = "0090"


@dataclass(frozen=True)
class Fault:
    """What is wrong with beta.3: its faulty commit, and what comes after that until the release."""

    commit: str
    release: tuple[str, ...]


FAULTS = {
    "locale": Fault("0005", ("0006", "0007")),
    "retention": Fault("0050", ("0006", "0057")),
}
"""``locale``: people whose country is not known can't sign in. ``retention``: a job of beta.3's own takes the e-mail
addresses of people who never signed in, and their conversations away from them; nothing fails, and nobody is told."""


async def build(
    path: Path, *, fault: str = "locale", revert_fault: bool = False, fault_in_target: bool = False
) -> Repository:
    """A new repository with the tags v1.0.0-beta.1, .2 and .3, the last with a faulty commit: one of ``FAULTS``.

    ``revert_fault`` takes the faulty commit back before the last tag. ``fault_in_target`` gives beta.2 a commit that
    breaks on the schema that beta.3's migration leaves; beta.3 takes that one back.
    """
    _copy_base(path)
    making = _Making(Repository(path))
    await making.begin()
    await making.tag("v1.0.0-beta.1")
    await making.apply(*BETA_2)
    target_fault = await making.apply(TARGET_FAULT) if fault_in_target else ""
    await making.apply(BETA_2_RELEASE)
    await making.tag("v1.0.0-beta.2")
    if target_fault:
        await making.revert(target_fault, "2025-10-06T10:10:00+00:00")
    await making.apply(*BETA_3)
    faulty = await making.apply(FAULTS[fault].commit)
    await making.apply(*FAULTS[fault].release)
    if revert_fault:
        await making.revert(faulty, "2025-10-09T08:40:00+00:00")
    await making.tag("v1.0.0-beta.3")
    # The app reads its tag from packed-refs, which names the commit an annotated tag stands for.
    await making.repository.git("pack-refs", "--all")
    return making.repository


def _copy_base(path: Path) -> None:
    shutil.copytree(SOURCE / "base", path, ignore=shutil.ignore_patterns("__pycache__"))
    for entry in path.rglob("*"):
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    path.chmod(0o700)


class _Making:
    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    async def _git(self, *words: str, date: str) -> None:
        name, email = AUTHOR
        await self.repository.git(
            *words,
            GIT_AUTHOR_NAME=name,
            GIT_AUTHOR_EMAIL=email,
            GIT_AUTHOR_DATE=date,
            GIT_COMMITTER_NAME=name,
            GIT_COMMITTER_EMAIL=email,
            GIT_COMMITTER_DATE=date,
        )

    async def begin(self) -> None:
        await self._git("init", "--quiet", "--template=", "--initial-branch=main", date=BASE_DATE)
        await self._git("config", "gc.auto", "0", date=BASE_DATE)
        await self._git("add", "--all", date=BASE_DATE)
        await self._git("commit", "--quiet", "--message=Release 1.0.0-beta.1", date=BASE_DATE)

    async def apply(self, *numbers: str) -> str:
        """Commit the patches of these numbers; the last one's commit id."""
        paths = [str(next((SOURCE / "patches").glob(f"{number}-*.patch"))) for number in numbers]
        await self._git("am", "--quiet", "--committer-date-is-author-date", *paths, date=BASE_DATE)
        return await self.repository.resolve("HEAD")

    async def revert(self, commit: str, date: str) -> None:
        await self._git("revert", "--no-edit", commit, date=date)

    async def tag(self, name: str) -> None:
        date = (await self.repository.git("log", "-1", "--format=%cI")).decode().strip()
        await self._git("tag", "--annotate", f"--message={name}", name, date=date)
