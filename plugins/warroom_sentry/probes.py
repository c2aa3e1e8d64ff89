"""A question at verification: did new issues come up?"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from warroom.api import Context, Probed, WarroomError
from warroom.model.base import Duration, Fact, span_text
from warroom_sentry.asking import Asker, why
from warroom_sentry.config import Search
from warroom_sentry.reading import deployed_last, new_issues, releases


class NewIssuesArgs(Fact):
    """At most ``at_most`` issues may have been first seen in the last ``within``; without it, since the newest
    release's deploy."""

    within: Annotated[Duration, Field(ge=1)] | None = None
    at_most: Annotated[int, Field(ge=0)] = 0
    query: Search = "is:unresolved"


class NewIssuesProbe:
    name = "new-issues"
    args: type[BaseModel] = NewIssuesArgs

    async def probe(self, ctx: Context, args: NewIssuesArgs) -> Probed:
        asker = Asker(ctx)
        try:
            project = await asker.project_id()
            if args.within is not None:
                since, told = ctx.clock.now() - timedelta(seconds=args.within), f"in the last {span_text(args.within)}"
            else:
                newest = deployed_last(await releases(asker, project), asker.config.environment)
                if newest is None:
                    return Probed("inconclusive", "Sentry knows of no release")
                since, told = newest.at, f"since {newest.version} at {newest.at:%H:%M} UTC"
            found, whole, _ = await new_issues(asker, project, since, args.query)
        except WarroomError as error:
            return Probed("inconclusive", why(error))
        least = "" if whole else "at least "
        names = "; ".join(str(issue.get("title", ""))[:80] for issue in found[:3])
        words = f"{least}{len(found)} new issues {told}" + (f": {names}" if names else "")
        verdict = len(found) <= args.at_most and whole
        return Probed("pass" if verdict else "fail", words, {"new": len(found), "at_most": args.at_most})
