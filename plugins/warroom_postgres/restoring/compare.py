"""The operation ``compare``: what going back to a restored database would lose. It changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import Duration, Fact, Id
from warroom.model.call import CallResult, SqlCall
from warroom.model.plan import Look, Preview, Risk
from warroom_postgres.backups.listing import chosen
from warroom_postgres.config import Config
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.integrity.probe import IntegrityArgs, findings, judged
from warroom_postgres.naming import PREFIX, Mark, literal, marked
from warroom_postgres.reach.place import Place, asked, itself, place
from warroom_postgres.restoring.comparing import loss, made, tables_of
from warroom_postgres.rules import RuleCount

SOUND_S = 600.0
"""Seconds that it may take to see whether the restored one holds what must hold."""


class CompareArgs(Fact):
    """``database`` is what was restored, by its name; ``backup`` a dump, whose newest restored database is meant.

    With ``backup`` it may come after the step that restores it, in one plan. ``timeout`` is for one query, which may
    read a table whole. ``rules`` are held to the restored one beside those of the configuration.
    """

    database: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f]+$")] | None = None
    backup: Annotated[str, Field(pattern=r"^/[^\x00-\x1f]+$", max_length=4000)] | None = None
    timeout: Annotated[Duration, Field(ge=1, le=21600)] = 3600
    rules: dict[Id, RuleCount] = Field(default_factory=dict, max_length=50)

    @model_validator(mode="after")
    def _one_of_them(self) -> CompareArgs:
        if (self.database is None) == (self.backup is None):
            raise ValueError("database or backup, and not both")
        return self


class Compare:
    name = "compare"
    title = "Compare the restored database with the live one"
    risk: Risk = "safe"
    args: type[BaseModel] = CompareArgs

    async def facts(self, ctx: Context, args: CompareArgs) -> Facts:
        """Raises WarroomError where ``database`` was not restored, or not to its end."""
        where = place(ctx)
        server = (await itself(ctx, where)).each()[0]
        if args.database is not None:
            oid, mark, _ = await made(ctx, where, args.database)
            of: Facts = {"oid": oid, "archive": mark.archive}
        else:
            of = {"oid": None, "archive": await _archive(ctx, str(args.backup))}
        return {"secret": where.secret, "through": list(where.relay), "live": server["oid"], **of}

    def preview(self, config: Config, args: CompareArgs, facts: Facts) -> Preview:
        through = facts["through"] if isinstance(facts["through"], list) else []
        name = args.database or f"what was restored of {Path(str(args.backup)).name}"
        pinned = {"archive": facts["archive"], "live database": facts["live"]}
        if facts["oid"] is not None:
            pinned["restored database"] = facts["oid"]
        if args.database is not None:
            which = f"datname = {literal(args.database)}"
        else:
            which = f"shobj_description(oid, 'pg_database') LIKE {literal(_like(str(facts['archive'])))}"
        seen = SqlCall(
            secret=str(facts["secret"]),
            through=tuple(map(str, through)),
            statements=(_SEEN.format(which=which),),
            brief=f"look at {name}"[:200],
        )
        return Preview(
            calls=(seen,),
            no_inverse="nothing is changed",
            pinned=pinned,
            expected_s=5,
            timeout_s=args.timeout + SOUND_S + 60,
            check_s=args.timeout + SOUND_S,
            tells=True,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """None: ``check`` gives what it counted."""
        return {}

    async def check(self, ctx: Context, args: CompareArgs, facts: Facts) -> Look:
        """Reads both. Outputs are ``database``, ``words``, ``lost``, ``since``, ``oid``, ``tables``: all of them, or
        where that would be too long those that differ."""
        try:
            where = place(ctx)
            database = args.database or await _newest(ctx, where, str(facts["archive"]))
            if database is None:
                return Look(verdict="not-begun", seen=f"nothing that was restored of {args.backup} is there")
            found = await loss(ctx, where, database, timeout=args.timeout)
            sound = await _sound(ctx, args, database)
        except WarroomError as error:
            return Look(verdict="cannot-tell", seen=str(error))
        told = found.told()
        tables = tables_of(found)
        outputs = {name: str(told[name]) for name in ("database", "words", "lost", "since", "oid")}
        outputs |= {"tables": tables} if tables else {}
        return Look(verdict="done", seen=f"{found.words()}. {sound}", outputs=outputs)


async def _sound(ctx: Context, args: CompareArgs, database: str) -> str:
    """Whether the restored one holds what must hold: it may have been damaged before it was dumped."""
    held = IntegrityArgs(database=database, rules=args.rules, indexes="off")
    patience = min(args.timeout, SOUND_S)
    look = Looking(ctx, patience, patience, None, database)
    try:
        found, _ = await findings(look, held, ctx.config)
    except WarroomError as error:
        return f"Whether what must hold there does is UNKNOWN: {error}"
    said = judged(found, "", patience - look.left)
    begins = {"fail": "There does not hold", "inconclusive": "Not all could be looked at there"}
    return f"{begins.get(said.verdict, 'There')}: {said.words}"


async def _archive(ctx: Context, backup: str) -> str:
    """The hash of the dump, by which what is restored of it is known again."""
    config: Config = ctx.config
    if config.backups is None:
        raise BadInput("no folder of backups is configured", f"{backup} lies in none", "name them as backups.folders")
    found = await chosen(ctx, config.backups, Path(backup))
    if found.sha256 is None:
        raise BadInput(f"{found.name} can't be read", "; ".join(found.reasons), "take another backup")
    return found.sha256


async def _newest(ctx: Context, where: Place, archive: str) -> str | None:
    """What was restored last of that dump, to its end, and is not live by now."""
    rows = (await asked(ctx, where, _RESTORED.format(mark=literal(_like(archive))))).each()
    marks = [(mark.at, str(row["name"])) for row in rows if (mark := marked(row["comment"])) and _whole(mark)]
    return max(marks)[1] if marks else None


def _whole(mark: Mark) -> bool:
    return (mark.what, mark.state) == ("scratch", "restored")


def _like(archive: str) -> str:
    """A hash has no sign in it that would stand for others."""
    return f'{PREFIX}%"archive":"{archive}"%'


_SEEN = """
SELECT datname::text, oid::bigint, shobj_description(oid, 'pg_database') FROM pg_database WHERE {which}
"""
_RESTORED = """
SELECT datname::text AS name, shobj_description(oid, 'pg_database') AS comment FROM pg_database
WHERE datname <> current_database() AND shobj_description(oid, 'pg_database') LIKE {mark}
"""
