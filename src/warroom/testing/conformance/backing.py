"""What a backer must hold to: one backup, whole and private, and nothing else on this machine."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from warroom.api import BackedUp, Backer, Context
from warroom.testing.conformance.findings import Findings
from warroom.testing.conformance.guard import Guard, watched

_PATIENCE = 120.0


async def check_backer(backer: Backer, ctx: Context, root: Path, findings: Findings) -> None:
    """``root`` is an empty folder of its own, outside everything that matters."""
    where, guard = "backer", Guard("reading", root)
    around = set(os.listdir(root.parent))
    with findings.within(where), watched(guard):
        async with asyncio.timeout(_PATIENCE):
            made = await backer.back_up(ctx, root, lambda _: None)
        if findings.typed(made, BackedUp, "it must return BackedUp", where):
            _made(made, root, findings)
    await _refuses(backer, ctx, root / "not-there", findings)
    for told in guard.seen:
        findings.add("it may write in its folder only", where, told)
    findings.hold(set(os.listdir(root.parent)) == around, "it may write in its folder only", where, root.parent)


def _made(made: BackedUp, root: Path, findings: Findings) -> None:
    where, there = "backer", sorted(root.iterdir())
    findings.hold(made.path in there, "what it returns must lie in the folder", where, made.path)
    if made.path.is_file():
        findings.hold(made.path.stat().st_size == made.bytes, "its size must be told as it is", where, made.bytes)
    findings.hold(made.at.utcoffset() is not None, "its time must say its zone", where, made.at)
    readable = [path.name for path in there if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    findings.hold(not readable, "it must be readable by its owner alone", where, readable)
    left = [path.name for path in there if path.name.endswith(".part")]
    findings.hold(not left, "nothing unfinished may be left", where, left)


async def _refuses(backer: Backer, ctx: Context, nowhere: Path, findings: Findings) -> None:
    where = "backer, a folder that is not there"
    with findings.within(where, may_refuse=True):
        made = await backer.back_up(ctx, nowhere, lambda _: None)
        findings.add("what is not there must be refused", where, made)
