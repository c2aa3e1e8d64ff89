"""Whether an evidence dump restores: tried in a database of its own, whose rows are then counted and compared."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from warroom.api import Context, Probed, Trial, WarroomError
from warroom.model.units import many, value_text
from warroom_postgres.backups import manifest
from warroom_postgres.config import Config
from warroom_postgres.dumping.contents import LARGE_OBJECTS
from warroom_postgres.naming import Mark, quoted
from warroom_postgres.reach.place import asked, itself, place
from warroom_postgres.reach.tools import tools
from warroom_postgres.restoring.scratch import NOT_ITS_OWN, created, dropped, live, restored, scratch

NAME = "database.dump"
DIFFERENCES = 3
"""How many are named."""


class DumpProver:
    async def prepare(self, ctx: Context, folder: Path) -> Trial | None:
        config: Config = ctx.config
        dump = folder / NAME
        if not dump.exists() or not config.dump.prove_up_to:
            return None
        described = await asyncio.to_thread(manifest.read, dump)
        if described is None or described.counts is None:
            raise WarroomError("the dump has no manifest with its rows", f"see {folder}")
        where = place(ctx)
        server = (await itself(ctx, where)).each()[0]
        if server["standby"]:
            raise WarroomError("the server is a standby", "no database can be made there")
        of = await live(ctx, where)
        if of.bytes > config.dump.prove_up_to:
            size, most = value_text(of.bytes, "bytes"), value_text(config.dump.prove_up_to, "bytes")
            raise WarroomError(f"the database has {size}", f"it is tried up to {most} (dump.prove_up_to)")
        major = int(server["number"]) // 10_000
        found = await tools(ctx, where, major)
        if words := found.unknown_to(major):
            raise WarroomError("there is no pg_restore that fits", words, f"install postgresql-client-{major}")
        at = ctx.clock.now()
        told = {"is": "proof", "of": server["database"], "state": "restoring", "id": secrets.token_hex(4), "at": at}
        made = scratch(of, Mark.model_validate({**told, "archive": described.sha256}))
        seconds = config.dump.timeout
        return Trial(
            words=f"restored into {made.name}",
            calls=(
                created(where, of, made),
                restored(where, found, made, dump, jobs=1, timeout_s=seconds, leave_out=NOT_ITS_OWN),
            ),
            after=(dropped(where, made),),
            facts={"database": made.name},
            timeout_s=seconds,
        )

    async def judge(self, ctx: Context, folder: Path, trial: Trial) -> Probed:
        """Every table that the manifest names, and the large objects."""
        config: Config = ctx.config
        described = await asyncio.to_thread(manifest.read, folder / NAME)
        counts = described.counts if described is not None else None
        if described is None or counts is None:
            return Probed("inconclusive", "the dump has lost its manifest")
        database, where = str(trial.facts["database"]), place(ctx)
        found: dict[tuple[str, str], int] = {}
        for schema, table in counts:
            statement = f"SELECT count(*) FROM ONLY {quoted(schema, table)}"
            rows = await asked(ctx, where, statement, database=database, timeout=config.dump.timeout)
            found[schema, table] = int(rows.rows[0][0])
        large = int((await asked(ctx, where, LARGE_OBJECTS, database=database)).rows[0][0])
        return compared(counts, found, described.large_objects, large)


def compared(
    counts: Mapping[tuple[str, str], int], found: Mapping[tuple[str, str], int], large: int | None, large_found: int
) -> Probed:
    wrong = [
        f"{json.dumps('.'.join(name), ensure_ascii=False)} has {found[name]:,} rows for {rows:,}"
        for name, rows in counts.items()
        if found[name] != rows
    ]
    if large is not None and large != large_found:
        wrong.append(f"{large_found:,} large objects for {large:,}")
    if wrong:
        more = f", and {len(wrong) - DIFFERENCES} more" if len(wrong) > DIFFERENCES else ""
        return Probed("fail", "restored, it differs from what was counted: " + "; ".join(wrong[:DIFFERENCES]) + more)
    total = sum(counts.values())
    words = f"restored beside: {many(len(counts), 'table')} with {total:,} rows, as counted when it was taken"
    return Probed("pass", words, {"tables": len(counts), "rows": total})
