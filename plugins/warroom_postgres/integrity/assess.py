"""The operation ``assess``: how much of the data does not hold, told before anybody chooses a way back. It reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from warroom.api import Context, Facts
from warroom.model.base import Duration
from warroom.model.call import CallResult, SqlCall
from warroom.model.plan import Look, Preview, Risk
from warroom_postgres.config import Config
from warroom_postgres.integrity.finding import accepted
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.integrity.probe import IntegrityArgs, findings, judged
from warroom_postgres.reach.place import itself, place

_SEEN = "SELECT current_database(), pg_database_size(current_database())"


class AssessArgs(IntegrityArgs):
    """As the check ``integrity`` takes them, with more time: it is done once, while nothing writes."""

    within: Annotated[Duration, Field(ge=1, le=21600)] = 1800
    each: Annotated[Duration, Field(ge=0.1, le=21600)] = 600


class Assess:
    name = "assess"
    title = "Assess damage"
    risk: Risk = "safe"
    args: type[BaseModel] = AssessArgs

    async def facts(self, ctx: Context, args: AssessArgs) -> Facts:
        where = place(ctx)
        server = (await itself(ctx, where)).each()[0]
        return {"secret": where.secret, "through": list(where.relay), "live": server["oid"]}

    def preview(self, config: Config, args: AssessArgs, facts: Facts) -> Preview:
        through = facts["through"] if isinstance(facts["through"], list) else []
        seen = SqlCall(
            secret=str(facts["secret"]),
            database=args.database,
            through=tuple(map(str, through)),
            statements=(_SEEN,),
            brief="look at the database, then count what does not hold",
        )
        return Preview(
            calls=(seen,),
            no_inverse="nothing is changed",
            pinned={"live database": facts["live"]},
            tells=True,
            check_s=args.within + 30,
            expected_s=min(30, args.within),
            timeout_s=args.within + 120,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """None: ``check`` gives what it counted."""
        return {}

    async def check(self, ctx: Context, args: AssessArgs, facts: Facts) -> Look:
        """Done once all was looked at that could be, whatever was found. Outputs are ``words`` and ``broken``."""
        look = Looking(ctx, args.within, args.each, args.largest, args.database)
        found, without = await findings(look, args, ctx.config)
        said = judged(accepted(found, args.accept), without, args.within - look.left)
        if found and all(one.cases is None for one in found):
            return Look(verdict="cannot-tell", seen=said.words)
        outputs = {"words": said.words, "broken": str(said.numbers["broken"])}
        return Look(verdict="done", seen=said.words, outputs=outputs)
