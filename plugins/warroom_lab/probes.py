"""Questions asked at verification: how many rows are there now?"""

from __future__ import annotations

from pydantic import BaseModel

from warroom.api import Context, Probed
from warroom.model.base import Fact
from warroom.model.units import many
from warroom_lab.control import ask


class NoArgs(Fact):
    pass


class RowCounts:
    """Row counts by table, to be held against those of the evidence's dump."""

    name = "row_counts"
    args: type[BaseModel] = NoArgs

    async def probe(self, ctx: Context, args: NoArgs) -> Probed:
        rows = {table: int(count) for table, count in (await ask(ctx, "/counts")).items()}
        return Probed("pass", f"{many(sum(rows.values()), 'row')} in {many(len(rows), 'table')}", rows)
