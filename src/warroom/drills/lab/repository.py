"""Reading the app's git repository: releases, differences, migrations, content digests."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warroom import process
from warroom.drills.lab.layout import remove_tree
from warroom.errors import BadInput, ProgramFailed

MIGRATIONS = "prisma/migrations"
_READ = re.compile(r"(?:environ(?:\.get\(|\[)|getenv\()\s*[\"']([A-Za-z_][A-Za-z0-9_]{0,99})[\"']([^)\]]*)")
"""A name that code reads from its environment, and the default it has there."""
_SET = re.compile(r"^(?:export )?([A-Za-z_][A-Za-z0-9_]{0,99})=(.*)")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


@dataclass(frozen=True)
class Tagged:
    """A release: ``digest`` is a content identity, see `Repository.digest`; ``created`` an ISO 8601 time."""

    version: str
    commit: str
    digest: str
    created: str


@dataclass(frozen=True)
class Migration:
    name: str
    sql: bytes

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql).hexdigest()


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._digests: dict[str, str] = {}

    async def git(self, *words: str, **environment: str) -> bytes:
        """Run git here, untouched by the user's own configuration. Raises ProgramFailed."""
        env = process.environment(
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_NOSYSTEM="1",
            GIT_TERMINAL_PROMPT="0",
            GIT_DIR=None,
            GIT_WORK_TREE=None,
            GIT_INDEX_FILE=None,
            LC_ALL="C",
            **environment,
        )
        done = await process.run(["git", *words], cwd=self.path, env=env, timeout=60)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ProgramFailed(f"git {words[0]} failed", said[-1] if said else f"exit status {done.returncode}")
        return done.stdout

    async def resolve(self, ref: str) -> str:
        """The commit a tag, a branch or an abbreviated commit names. Raises BadInput."""
        if not _REF.fullmatch(ref) or ".." in ref:
            raise BadInput(f"{ref!r} can't be a release", "a tag or commit is letters, digits and . _ / -")
        try:
            found = await self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except ProgramFailed as error:
            raise BadInput(
                f"There is no release {ref}", "the repository has no such tag or commit", "See the releases."
            ) from error
        return found.decode().strip()

    async def digest(self, commit: str) -> str:
        """A commit's content identity. ``commit`` is a whole id: what it names never changes.

        ``sha256:`` over a line for each file, ordered by path: ``<mode> blob <git's blob id>\\t<path>`` and NUL.
        The app computes the same sum over the files it runs from.
        """
        if commit not in self._digests:
            lines = (await self.git("ls-tree", "-r", "-z", f"{commit}^{{tree}}")).split(b"\0")[:-1]
            ordered = sorted(lines, key=lambda line: line.partition(b"\t")[2])
            found = "sha256:" + hashlib.sha256(b"".join(line + b"\0" for line in ordered)).hexdigest()
            self._digests[commit] = found
        return self._digests[commit]

    async def releases(self) -> list[Tagged]:
        """The tags, oldest first."""
        form = "%(refname:strip=2)%09%(objectname)%09%(*objectname)%09%(creatordate:iso-strict)"
        shown = await self.git("for-each-ref", "--sort=creatordate", f"--format={form}", "refs/tags")
        found = []
        for line in shown.decode().splitlines():
            version, own, peeled, created = line.split("\t")
            commit = peeled or own
            found.append(Tagged(version, commit, await self.digest(commit), created))
        return found

    async def untagged(self, commit: str) -> dict[str, str]:
        """The same facts of a commit without a tag: its version is its first twelve digits."""
        created = (await self.git("log", "-1", "--format=%cI", commit)).decode().strip()
        return {"version": commit[:12], "commit": commit, "digest": await self.digest(commit), "created": created}

    async def migrations(self, commit: str) -> list[Migration]:
        """The commit's migrations in the order they are applied."""
        listed = await self.git("ls-tree", "-r", "--name-only", "-z", commit, f"{MIGRATIONS}/")
        paths = sorted(path for path in listed.decode().split("\0") if path.endswith("/migration.sql"))
        return [Migration(path.split("/")[-2], await self.git("show", f"{commit}:{path}")) for path in paths]

    async def check_out(self, commit: str, folder: Path) -> None:
        await self.git("worktree", "add", "--quiet", "--detach", str(folder), commit)

    async def drop_checkout(self, folder: Path) -> None:
        """Remove a folder made by `check_out`, also one that was only begun."""
        await asyncio.to_thread(remove_tree, folder)
        await self.git("worktree", "prune")

    async def diff(self, old: str, new: str) -> dict[str, Any]:
        """What is in ``new`` and not in ``old``, and the other way round: commits, files, migrations, settings' names.

        ``config_changed`` are the names that both have, with another default or value.
        """
        old, new = await self.resolve(old), await self.resolve(new)
        files = (await self.git("diff", "--no-renames", "--name-status", "-z", old, new)).decode().split("\0")[:-1]
        before = {migration.name for migration in await self.migrations(old)}
        after = {migration.name for migration in await self.migrations(new)}
        had, has = await self.config_keys(old), await self.config_keys(new)
        return {
            "from": old,
            "to": new,
            "commits": await self._log(f"{old}..{new}"),
            "missing_commits": await self._log(f"{new}..{old}"),
            "files": [{"status": status, "path": path} for status, path in zip(files[::2], files[1::2], strict=True)],
            "migrations_added": sorted(after - before),
            "migrations_removed": sorted(before - after),
            "config_added": sorted(has.keys() - had.keys()),
            "config_removed": sorted(had.keys() - has.keys()),
            "config_changed": sorted(name for name in had.keys() & has.keys() if had[name] != has[name]),
        }

    async def config_keys(self, commit: str) -> dict[str, frozenset[str]]:
        """Names that the commit's code reads from its environment or its env files set → what stands behind them."""
        found: dict[str, set[str]] = {}
        for expression, places in ((_READ, ("*.py",)), (_SET, (".env*", "*/.env*", "*.env"))):
            for line in await self._grep(expression.pattern, commit, *places):
                for match in expression.finditer(line):
                    found.setdefault(match[1], set()).add(match[2].strip())
        return {name: frozenset(values) for name, values in found.items()}

    async def _grep(self, expression: str, commit: str, *places: str) -> list[str]:
        try:
            shown = await self.git("grep", "-h", "-I", "-P", "-e", expression, commit, "--", *places)
        except ProgramFailed as error:
            if error.cause == "exit status 1":  # no line has it
                return []
            raise
        return shown.decode("utf-8", "replace").splitlines()

    async def _log(self, span: str) -> list[dict[str, str]]:
        shown = (await self.git("log", "-z", "--format=%H%x09%aI%x09%an%x09%s", span)).decode()
        names = ("commit", "at", "author", "subject")
        lines = [line for line in shown.split("\0") if line]
        return [dict(zip(names, line.split("\t", 3), strict=True)) for line in lines]

    async def described(self) -> list[dict[str, str]]:
        return [asdict(release) for release in await self.releases()]
