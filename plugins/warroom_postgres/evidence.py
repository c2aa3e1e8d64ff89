"""Evidence of what a database was doing: its sessions, locks, settings, migrations and tables. No rows of its data."""

from __future__ import annotations

import json
import re

from warroom.api import Context, Folder, Rows, WarroomError
from warroom_postgres import statements
from warroom_postgres.asking import ask, why
from warroom_postgres.config import Config

LONGEST_QUERY = 1000
_TOKENS = re.compile(
    r"""
    (?P<name> "(?:[^"]|"")*(?:"|\Z) )
  | (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | \b[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
  | '(?:[^']|'')*(?:'|\Z)
  | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
  | \b\d[\d.]*\b
    """,
    re.DOTALL | re.VERBOSE,
)
"""One after the other, so that a quote in a comment, or a comment in a quote, begins nothing."""


def without_values(query: str) -> str:
    """A query's shape: people's data stands in its values, and comments may hold anything. Cut at LONGEST_QUERY."""
    return _TOKENS.sub(lambda m: m["name"] or ("" if m["comment"] else "?"), query)[:LONGEST_QUERY]


class StateCollector:
    name = "postgres"
    kinds: tuple[str, ...] = ("database-state",)
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """Each part in a file of its own. What can't be read says why in its place; with nothing at all it raises."""
        config: Config = ctx.config
        migrations = {"table": config.migrations}
        parts = {
            "about": await _part(ctx, statements.ABOUT),
            "activity": await _part(ctx, statements.ACTIVITY),
            "locks": await _part(ctx, statements.LOCKS),
            "settings": await _part(ctx, statements.SETTINGS),
            "migrations": await _part(ctx, statements.MIGRATION_TABLE, migrations),
            "tables": await _part(ctx, statements.TABLES),
            "database": await _part(ctx, statements.DATABASE),
            "constraints": await _part(ctx, statements.CONSTRAINTS),
            "indexes": await _part(ctx, statements.INDEXES),
        }
        errors = [part for part in parts.values() if isinstance(part, WarroomError)]
        if len(errors) == len(parts):
            raise errors[0]
        for name, part in parts.items():
            said = {"error": why(part)} if isinstance(part, WarroomError) else _told(name, part)
            await folder.write(f"{name}.json", json.dumps(said, indent=1).encode(), kind="database-state")


async def _part(ctx: Context, statement: str, names: dict[str, str] | None = None) -> Rows | WarroomError:
    try:
        return await ask(ctx, statement, names=names, at_most=2000)
    except WarroomError as error:
        return error


def _told(name: str, part: Rows) -> dict[str, object]:
    rows = part.each()
    if name == "activity":
        rows = [{**row, "query": without_values(row["query"] or "")} for row in rows]
    return {"rows": rows, "more": part.more}
