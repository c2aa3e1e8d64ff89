"""The check ``integrity``: all that can be told about whether the data holds, within a time, and nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue

from warroom.api import Context, Probed
from warroom.model.base import Duration, Fact, Id
from warroom.model.units import many
from warroom_postgres.config import Config
from warroom_postgres.integrity import checks
from warroom_postgres.integrity.finding import Finding, accepted, looked_at
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.integrity.pages import pages
from warroom_postgres.rules import Counted, Duplicates, Nulls, Orphans, Rule, RuleCount

LONGEST = 2000
MOST_TOLD = 12


class IntegrityArgs(Fact):
    """``database``: another one of this server, such as one that was restored beside; left out: the application's.

    All of it ends after ``within``, each question after ``each``; a table of more rows than ``largest``, as the
    server estimates them, is not read through. ``rules`` are held beside those of the configuration. ``indexes``:
    ``pages`` reads B-tree indexes with amcheck where the database has it, ``heap`` also holds each row against them,
    which takes far longer. ``accept``: names of foreign keys, constraints, indexes, sequences and rules whose cases are
    known.
    """

    database: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    within: Annotated[Duration, Field(ge=1, le=21600)] = 60
    each: Annotated[Duration, Field(ge=0.1, le=21600)] = 30
    largest: int | None = Field(default=None, ge=1)
    rules: dict[Id, RuleCount] = Field(default_factory=dict, max_length=50)
    indexes: Literal["off", "pages", "heap"] = "pages"
    accept: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = Field(default=(), max_length=100)


class IntegrityProbe:
    name = "integrity"
    args: type[BaseModel] = IntegrityArgs

    async def probe(self, ctx: Context, args: IntegrityArgs) -> Probed:
        look = Looking(ctx, args.within, args.each, args.largest, args.database)
        found, without = await findings(look, args, ctx.config)
        return judged(accepted(found, args.accept), without, args.within - look.left)


async def findings(look: Looking, args: IntegrityArgs, config: Config) -> tuple[list[Finding], str]:
    """The cheapest first, so that a time which is too short costs the least. Also why amcheck said nothing."""
    found = [
        *await checks.marks(look),
        *await checks.unique_indexes(look),
        *await checks.sequences(look),
        *await checks.rules(look, ruled(config) | args.rules),
        *await checks.foreign_keys(look),
    ]
    if args.indexes == "off":
        return found, "amcheck was not asked for"
    read, without = await pages(look, heap=args.indexes == "heap")
    return [*found, *read], without


def ruled(config: Config) -> dict[str, Rule | Counted]:
    """All rules that the configuration's signals count by."""
    return {
        f"{signal}.{name}": count
        for signal, one in config.integrity.items()
        for name, count in one.counts.items()
        if isinstance(count, Nulls | Orphans | Duplicates | Counted)
    }


def judged(found: Sequence[Finding], without: str, seconds: float) -> Probed:
    """Fails by what was found, else can't tell where something could not be looked at; and says what was."""
    broken = sorted((one for one in found if one.cases), key=lambda one: -(one.cases or 0))
    missing = [one for one in found if one.cases is None]
    numbers: dict[str, JsonValue] = {
        "looked_at": len(found) - len(missing),
        "broken": len(broken),
        "unknown": len(missing),
        "seconds": round(seconds, 1),
        **{one.id: one.cases for one in broken[:50]},
    }
    looked = f"looked at {looked_at(found)}"
    tail = "; ".join(part for part in (looked, without) if part)
    if broken:
        more = f"not looked at: {_told(missing, 2)}" if missing else ""
        words = "; ".join(part for part in (_told(broken, MOST_TOLD), more, tail) if part)
        return Probed("fail", words[:LONGEST], numbers)
    if missing:
        what = many(len(missing), "thing")
        return Probed("inconclusive", f"{what} could not be looked at: {_told(missing, 6)}; {tail}"[:LONGEST], numbers)
    remarks = [one.remark for one in found if one.remark]
    more = f"; and {len(remarks) - MOST_TOLD} more" if len(remarks) > MOST_TOLD else ""
    told = f"all hold now, but {'; '.join(remarks[:MOST_TOLD])}" if remarks else "all hold"
    return Probed("pass", f"{tail}; {told}{more}"[:LONGEST], numbers)


def _told(found: Sequence[Finding], most: int) -> str:
    """A foreign key and a rule may say the same: that is told once."""
    sentences = list(dict.fromkeys(one.sentence for one in found))
    told = "; ".join(sentences[:most])
    return f"{told}; and {len(sentences) - most} more" if len(sentences) > most else told
