"""Which release this is, read from the checkout the service runs from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Release:
    version: str
    """The commit's tag; where it has none, the commit's first twelve digits."""
    commit: str
    digest: str
    """``sha256:`` over the files as they lie in the checkout; equal to the same sum over the commit's git tree."""


def read_release(root: Path) -> Release:
    git_dir = _git_dir(root)
    commit = (git_dir / "HEAD").read_text().strip()
    common = git_dir / (git_dir / "commondir").read_text().strip()
    return Release(_tag_of(commit, common) or commit[:12], commit, content_digest(root))


def _git_dir(root: Path) -> Path:
    """A linked worktree's .git is a file that names the folder with its HEAD."""
    label, _, folder = (root / ".git").read_text().strip().partition(": ")
    if label != "gitdir":
        raise ValueError(f"{root} is not a linked worktree")
    return Path(folder)


def _tag_of(commit: str, common: Path) -> str | None:
    """The tag that names the commit, from packed-refs: ``<id> refs/tags/<name>``, then ``^<commit>`` if annotated."""
    found: str | None = None
    name = ""
    for line in (common / "packed-refs").read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("^"):
            target = line[1:]
        else:
            target, _, name = line.partition(" ")
        if target == commit and name.startswith("refs/tags/"):
            found = name.removeprefix("refs/tags/")
    return found


def content_digest(root: Path) -> str:
    """SHA-256 over a line for each file, ordered by path: ``<mode> blob <git's blob id>\\t<path>``, ended by NUL."""
    lines = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if relative == ".git":
                continue
            data = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            mode = "100755" if path.stat().st_mode & 0o100 else "100644"
            lines.append((relative.encode(), f"{mode} blob {blob}\t{relative}\0".encode()))
    return "sha256:" + hashlib.sha256(b"".join(line for _, line in sorted(lines))).hexdigest()
