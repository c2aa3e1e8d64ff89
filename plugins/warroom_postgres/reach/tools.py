"""PostgreSQL's client programs: which of those at hand fit a server, and which are old enough to be dangerous."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warroom.api import Context, ProgramMissing, WarroomError
from warroom_postgres.config import Config
from warroom_postgres.reach.place import Place

FOLDERS = (
    *("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/libpq/bin"),
    *("/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/usr/local/opt/libpq/bin"),
)
_VERSION = re.compile(r"^(\w+) \(PostgreSQL\) (\d+)(?:\.(\d+))?")
OLDEST = 14
"""The oldest major version that was still mended when this was written."""
FLOOR = {18: 4, 17: 10, 16: 14, 15: 18, 14: 23}
"""Minor versions from May 2026. Before: a server may overwrite the memory of a pg_dump that reads its large objects
(CVE-2026-6477); and before August 2025 a name in a dump with an end of a line in it becomes a command where it is
restored (CVE-2025-8715)."""
PSQL_FLOOR = {18: 6, 17: 11, 16: 15, 15: 19, 14: 24}
"""Minor versions from August 2026. Before: a plain dump can run programs on the machine where psql reads it
(CVE-2026-18408; CVE-2025-8714 before that), unless somebody has looked for psql's commands in it first."""
_ASK_S = 10.0
_TRANSACTION_TIMEOUT = 17
"""The first major version that has it, and whose pg_restore sets it whatever the server is."""


@dataclass(frozen=True)
class Tools:
    """``folder`` is empty within a container: its own PATH finds them there."""

    folder: str
    major: int
    minor: int
    words: str

    def path(self, program: str) -> str:
        return os.path.join(self.folder, program) if self.folder else program

    @property
    def version(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def outdated(self) -> str:
        """Why what they read may be dangerous for them; empty when nothing is known."""
        return below(FLOOR, self.major, self.minor, "CVE-2026-6477 and CVE-2025-8715")

    @property
    def psql_outdated(self) -> str:
        """The same of a plain dump that psql reads."""
        return below(PSQL_FLOOR, self.major, self.minor, "CVE-2026-18408 and CVE-2025-8714")

    def unknown_to(self, server: int) -> str:
        """Why a server of that major version takes nothing from this pg_restore; empty where it does."""
        if not self.major >= _TRANSACTION_TIMEOUT > server:
            return ""
        return f"pg_restore {self.version} begins with a setting that PostgreSQL {server} does not know"


def below(floor: dict[int, int], major: int, minor: int, known: str) -> str:
    """Why this version, of a program or of a server, should not be any more; empty where it is new enough."""
    if major < OLDEST:
        return f"{major}.{minor} is no longer mended"
    least = floor.get(major)
    return f"{major}.{minor} is older than {major}.{least}, which mends {known}" if least and minor < least else ""


async def tools(ctx: Context, where: Place, server: int) -> Tools:
    """Programs that fit the major version ``server``: of the same, else of the next newer one that is there.

    Raises ProgramMissing where there are none: an older pg_dump refuses a newer server.
    """
    config: Config = ctx.config
    found, problems = [], []
    for folder in _folders(config) if where.through is None else ("",):
        try:
            found.append(await _probed(ctx, where, folder))
        except WarroomError as error:
            problems.append(str(error))
    fitting = sorted((each for each in found if each.major >= server), key=lambda each: (each.major, -each.minor))
    if fitting:
        return fitting[0]
    seen = ", ".join(dict.fromkeys(each.version for each in found))
    raise ProgramMissing(
        f"There is no pg_dump for PostgreSQL {server}",
        f"found: {seen}" if seen else "; ".join(problems)[:300] or "none was found",
        f"Install postgresql-client-{server}, or name its folder as tools.",
    )


def _folders(config: Config) -> Sequence[str]:
    """Where to look, each once; one that is configured is the only one."""
    if config.tools is not None:
        return (config.tools,)
    on_path = [each for each in os.environ.get("PATH", "").split(os.pathsep) if each.startswith("/")]
    root = Path("/")
    usual = [str(each) for pattern in FOLDERS for each in root.glob(pattern.removeprefix("/"))]
    there = [each for each in (*usual, *on_path) if os.access(os.path.join(each, "pg_dump"), os.X_OK)]
    real = {os.path.realpath(os.path.join(each, "pg_dump")): each for each in reversed(there)}
    return tuple(reversed(real.values()))


async def _probed(ctx: Context, where: Place, folder: str) -> Tools:
    """Raises WarroomError: one of the three is missing, says something else, or is of another version."""
    programs = ("pg_dump", "pg_restore", "psql")
    found = await asyncio.gather(*(_version(ctx, where, folder, each) for each in programs))
    seen = dict(zip(programs, found, strict=True))
    if len({version[:2] for version in seen.values()}) > 1:
        raise ProgramMissing(f"{folder or 'the container'} mixes versions", str({k: v[:2] for k, v in seen.items()}))
    major, minor, words = seen["pg_dump"]
    return Tools(folder, major, minor, words)


async def _version(ctx: Context, where: Place, folder: str, program: str) -> tuple[int, int, str]:
    """Major, minor, and its own words. Raises WarroomError."""
    path = os.path.join(folder, program) if folder else program
    argv = (path, "--version") if where.through is None else where.through.exec({}, path, "--version")
    done = await ctx.read.run(argv, timeout=_ASK_S, env={"LC_ALL": "C"})
    line = _VERSION.match(done.text.strip())
    if done.status != 0 or line is None or line[1] != program:
        said = " ".join(done.text.split())[:200] or "nothing"
        raise ProgramMissing(f"{path} can't be used", f"asked for its version it said: {said}")
    return int(line[2]), int(line[3] or 0), done.text.strip().splitlines()[0][:100]
