"""What an archive would bring back, by its own table of contents: and what of it is left out, or can't be made.

Whoever restores owns one database and no more. What only a superuser can make is told before anything is begun.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from warroom.api import Context, ProgramFailed
from warroom.model.base import Fact
from warroom_postgres.reach.place import Place
from warroom_postgres.reach.tools import Tools

LEFT_OUT = ("DEFAULT ACL", "COMMENT - EXTENSION", "PUBLICATION", "SUBSCRIPTION")
"""Default rights are taken from the live database; a comment on an extension is that of whoever made it."""
NOT_OURS = (
    *("EVENT TRIGGER", "FOREIGN DATA WRAPPER", "OPERATOR CLASS", "OPERATOR FAMILY", "TRANSFORM", "ACCESS METHOD"),
    *("TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "SHELL TYPE", "PROCEDURAL LANGUAGE"),
)
_ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (.*)$")
_EXTENSION = re.compile(r"^EXTENSION - (.+?) ?$")


class Archive(Fact):
    """``entries`` is the list for pg_restore with some left out; empty where it restores all that is in it.

    ``dropped`` are those that nothing else brings back, ``beyond`` those that its role could not make.
    """

    entries: str = ""
    extensions: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


def archive_from(
    lines: Iterable[str], placed: Mapping[str, str] | None = None, others: Collection[int] = ()
) -> Archive:
    """``placed``: extensions that are made beforehand, by the schema that is made for them. ``others``: numbers of
    rights that others than the owner gave, which whoever restores can't give in their name."""
    entries = [match for line in lines if (match := _ENTRY.match(line))]
    found = [(match[0], match[4]) for match in entries]
    given = {match[0] for match in entries if int(match[1]) in others}
    extensions = tuple(match[1] for _, what in found if (match := _EXTENSION.match(what)))
    schemas = tuple(f"SCHEMA - {placed[name]} " for name in extensions if placed and name in placed)
    out = tuple(f"{kind} " for kind in LEFT_OUT) + schemas
    kept = [line for line, what in found if not what.startswith(out) and line not in given]
    by_hand = ("PUBLICATION ", "SUBSCRIPTION ")
    dropped = tuple(what.rstrip() for line, what in found if what.startswith(by_hand) or line in given)
    beyond = tuple(what.rstrip() for _, what in found if what.startswith(tuple(f"{kind} " for kind in NOT_OURS)))
    listed = "\n".join(kept) + "\n" if len(kept) < len(found) else ""
    return Archive(entries=listed, extensions=extensions, dropped=dropped, beyond=beyond)


async def archive(
    ctx: Context,
    where: Place,
    tools: Tools,
    dump: Path,
    placed: Mapping[str, str],
    *,
    others: Collection[int],
    timeout: float,
) -> Archive:
    """Raises ProgramFailed where pg_restore can't list it. Nothing of it is executed."""
    lines: list[str] = []

    def line(stream: str, text: str) -> None:
        if stream == "stdout":
            lines.append(text)

    argv: tuple[str, ...] = (tools.path("pg_restore"), "--list")
    if where.through is not None:
        argv = where.through.exec({"LC_ALL": "C"}, *argv)
        done = await ctx.read.run(argv, timeout=timeout, stdin_file=dump, on_line=line)
    else:
        done = await ctx.read.run((*argv, str(dump)), timeout=timeout, env={"LC_ALL": "C"}, on_line=line)
    if done.status != 0:
        raise ProgramFailed(f"pg_restore can't read {dump.name}", " ".join(done.text.split())[-300:])
    return archive_from(lines, placed, others)
