"""What a restore rests on, looked at before anything is begun: dump, server, rights, tools and room."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path

from warroom.api import Address, BadInput, Context, Facts, StoreRefused
from warroom.model.base import Fact, Instant
from warroom.model.units import listed, value_text
from warroom_postgres.backups.judging import server_major
from warroom_postgres.backups.listing import Backup, age_text, chosen
from warroom_postgres.backups.manifest import TableRows
from warroom_postgres.config import Config
from warroom_postgres.naming import Mark, marked, quoted
from warroom_postgres.reach.place import Place, asked, itself, place
from warroom_postgres.reach.tools import Tools, tools
from warroom_postgres.restoring.archive import Archive, archive
from warroom_postgres.restoring.like import Around, around
from warroom_postgres.restoring.room import room
from warroom_postgres.restoring.scratch import Live, live

BESIDE = """
SELECT datname::text AS name, shobj_description(oid, 'pg_database') AS comment,
  CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END AS bytes
FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE 'warroom:%' ORDER BY 1
"""
LIST_S = 600
UNCOUNTED = "nobody counted its rows when it was dumped"
FEEDING = "warroom_postgres.restoring.feeding"


class Seen(Fact):
    """What the Calls are made from. ``free`` None: not known.

    ``rows`` were counted when the dump was made, or else (``doubt`` says so) in the dump when it was read through.
    ``python`` is the program that reads a plain dump for psql.
    """

    secret: str
    where: str
    parameters: dict[str, str]
    schema_name: str
    password: bool
    database: str
    server: str
    system: str
    oid: int
    live: dict[str, str | int | bool | None]
    around: Around
    mark: Mark
    folder: str
    major: int
    minor: int
    programs: str
    archive: Archive
    path: str
    format: str
    sha256: str
    verdict: str
    reasons: tuple[str, ...]
    python: str
    rows: tuple[TableRows, ...]
    data_at: Instant
    free: int | None
    beside: tuple[str, ...] = ()

    @property
    def of(self) -> Live:
        return Live(**self.live)  # type: ignore[arg-type]  # they are its own fields, as JSON

    @property
    def tools(self) -> Tools:
        return Tools(self.folder, self.major, self.minor, self.programs)

    @property
    def feeding(self) -> tuple[str, ...]:
        """The words of the program that hands a plain dump to psql."""
        made = [f"--made={schema}" for schema in self.around.placed.values()]
        words = (self.python, "-I", "-m", FEEDING, f"--sha256={self.sha256}", *made)
        return (*words, f"--server={server_major(self.server) or 0}")

    def place(self, config: Config) -> Place:
        address = Address(self.where, self.parameters, self.schema_name, password=self.password)
        return Place(self.secret, address, self.database, config.through)


def seen_in(facts: Facts) -> Seen:
    return Seen.model_validate(facts["restore"])


async def look(ctx: Context, path: str) -> Facts:
    """Raises WarroomError; where something is missing, with all of it."""
    config: Config = ctx.config
    if config.backups is None:
        raise BadInput("no folder of backups is configured", f"{path} lies in none", "name them as backups.folders")
    where = place(ctx, config.restore_as)
    server = (await itself(ctx, where)).each()[0]
    if server["standby"]:
        raise StoreRefused(f"{where.where} is a standby", "no database can be made there", "name the primary as direct")
    backup = await chosen(ctx, config.backups, Path(path))
    if backup.verdict == "refused" or backup.sha256 is None or backup.format is None:
        raise BadInput(f"{backup.name} is refused", f"it {'; '.join(backup.reasons)}", "take another backup")
    of, about, free = await asyncio.gather(live(ctx, where), around(ctx, where), room(ctx, where))
    major = int(server["number"]) // 10_000
    programs = await tools(ctx, where, major)
    needs = backup.needs
    if backup.format == "plain":
        inside = Archive(extensions=needs.extensions, dropped=needs.left_out, beyond=needs.beyond)
    else:
        inside = await archive(
            *(ctx, where, programs, Path(backup.path), about.placed), others=needs.as_others, timeout=LIST_S
        )
    missing = lacking(where, of, about, programs, inside, backup, free, major)
    if missing:
        raise BadInput(f"{backup.name} can't be restored here", "; ".join(missing), "nothing was begun")
    now = ctx.clock.now()
    told = {"is": "scratch", "of": server["database"], "state": "restoring", "id": secrets.token_hex(4), "at": now}
    told |= {"archive": backup.sha256, "doubt": doubt(backup)}
    told |= {"data": backup.manifest.snapshot_at if backup.manifest else backup.made.latest}
    seen = Seen(
        secret=where.secret,
        where=where.address.where,
        parameters=dict(where.address.parameters),
        schema_name=where.address.schema,
        password=where.address.password,
        database=where.database,
        server=str(server["version"]),
        system=str(server["system"]),
        oid=of.oid,
        live={name: getattr(of, name) for name in Live.__dataclass_fields__},
        around=about,
        mark=Mark.model_validate(told),
        folder=programs.folder,
        major=programs.major,
        minor=programs.minor,
        programs=programs.words,
        archive=inside,
        path=backup.path,
        format=backup.format,
        sha256=backup.sha256,
        verdict=backup.verdict or "",
        reasons=backup.reasons,
        python=sys.executable,
        rows=(backup.manifest.rows if backup.manifest else None) or backup.rows,
        data_at=backup.manifest.snapshot_at if backup.manifest else backup.made.latest,
        free=free,
        beside=await _beside(ctx, where, str(server["database"])),
    )
    return {"restore": seen.model_dump(mode="json")}


def lacking(
    where: Place,
    of: Live,
    about: Around,
    programs: Tools,
    inside: Archive,
    backup: Backup,
    free: int | None,
    major: int,
) -> list[str]:
    """Everything that stands in the way, so that nobody meets it one by one."""
    missing = []
    if not (of.superuser or of.creates):
        missing.append(f"{of.role} can make no database (ALTER ROLE {of.role} CREATEDB)")
    if not of.superuser:
        missing += about.lacking(of.role, frozenset(inside.extensions))
    known = {each.name for each in about.extensions}
    if strange := [name for name in inside.extensions if name not in known]:
        missing.append(f"this server has no extension {listed(strange)}: install it there")
    if beyond := list(dict.fromkeys((*inside.beyond, *backup.needs.beyond))):
        missing.append(f"only a superuser can make {listed(beyond)}, and a dump is restored by none")
    if nobody := [name for name in backup.needs.roles if name not in about.known_roles]:
        each = "; ".join(f"CREATE ROLE {quoted(name)}" for name in nobody[:5])
        missing.append(f"this server has no role {listed(nobody)}, whom its rights or policies name ({each})")
    if of.mighty and not of.superuser:
        missing.append(
            f"{of.role} may reach beyond its databases ({of.mighty}), and a dump's own functions run as who restores:"
            " name the address of a role that may not as restore_as"
        )
    unknown = [e.name for e in about.extensions if e.superuser and not e.here and e.name in inside.extensions]
    if of.superuser and unknown:
        missing.append(
            f"the live database has no {listed(unknown)}, an extension that only a superuser can make: make it there"
        )
    if backup.format != "plain" and (strangers := programs.unknown_to(major)):
        missing.append(f"{strangers}: install postgresql-client-{major}, or name its folder as tools")
    if programs.outdated and backup.format != "plain":
        missing.append(f"pg_restore {programs.outdated}: install a newer client")
    if backup.format == "directory" and where.through is not None:
        missing.append(
            "a dump in a folder can't be handed into a container: take one in a file, or publish the server's port and"
            " name no through"
        )
    if free is not None and free < of.bytes:
        size = value_text(of.bytes, "bytes")
        missing.append(f"{value_text(free, 'bytes')} are free where the database lies, which has {size} itself")
    return missing


def doubt(backup: Backup) -> str:
    """Why a database that is restored from it proves nothing of its rows; empty for a good backup that was counted."""
    if backup.verdict != "good":
        return f"its backup {backup.reasons[0]}"[:300] if backup.manifest else UNCOUNTED
    return UNCOUNTED if backup.manifest is None or backup.manifest.rows is None else ""


async def _beside(ctx: Context, where: Place, database: str) -> tuple[str, ...]:
    """What was restored before, and lies there still."""
    now, found = ctx.clock.now(), []
    for row in (await asked(ctx, where, BESIDE)).each():
        mark = marked(row["comment"])
        if mark is not None and mark.of == database and mark.what == "scratch":
            size = f"{value_text(row['bytes'], 'bytes')}, " if row["bytes"] is not None else ""
            found.append(f"{row['name']} ({size}{age_text(now, mark.at)} old, {mark.state})")
    return tuple(found)
