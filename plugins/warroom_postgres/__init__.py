"""PostgreSQL as an application uses it through Prisma: how full it is, what blocks, whether its data still holds.

It reads, in read-only transactions. As evidence it takes a dump, which it then restores beside, to see that it can be.
A backup is restored beside the live database, compared with it, and put in its place by two renames, which can be
taken back: nothing is dropped but what a person says so of. Backups are taken for whoever has a crontab.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warroom_postgres.capabilities import plugin as plugin
else:

    def __getattr__(name: str) -> object:
        """The plugin, once it is asked for: a program of ours that only feeds psql would wait for all of it."""
        if name != "plugin":
            raise AttributeError(f"module {__name__} has no attribute {name}")
        from warroom_postgres.capabilities import plugin

        return plugin
