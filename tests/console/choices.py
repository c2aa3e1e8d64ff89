"""A procedure that asks which backup to go back to, and what there is to choose from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.model.choice import ChoiceList, Option
from warroom.model.live import ChoicesPage, ChoicesQuery
from warroom.testing.clock import START

BACKUP = {
    "title": "The backup to go back to",
    "use": "lab.backups",
    "none": "Copy one into the folder, then look again.",
}
RESTORE: dict[str, Any] = {
    "title": "Restore a backup beside",
    "use_when": "Data is lost or spoilt",
    "kind": "database",
    "needs": ["lab"],
    "steps": {"restore": {"title": "Restore it", "op": "lab.restore", "with": {"backup": "${choice.backup}"}}},
}
GOOD = Option(
    value="/backups/ai_saas-0200.dump",
    title="ai_saas-0200.dump",
    words="the newest that was restored beside and proven, from before the release",
    at=START - timedelta(hours=7, minutes=2),
    bytes=1_204_331_000,
)
LATE = Option(
    value="/backups/ai_saas-0800.dump",
    title="ai_saas-0800.dump",
    words="made after the release that spoilt the data",
    verdict="doubtful",
    at=START - timedelta(hours=1, minutes=2),
    bytes=1_204_900_000,
)
TORN = Option(
    value="/backups/[red]\x1b[31mai_saas-0400.dump",
    title="[red]\x1b[31mai_saas-0400.dump",
    words="it ends in the middle: 40 of 112 tables are there\x1b]0;x\x07",
    verdict="refused",
    at=START - timedelta(hours=5),
    bytes=400_000_000,
)


def a_choosing_story(
    *options: Option, also: dict[str, Any] | None = None, procedures: dict[str, Any] | None = None, **found: Any
) -> Story:
    """``found`` is what else the engine says of the list; ``also`` the choices that are asked for after the backup.
    ``procedures`` stand in place of the one that restores."""
    restore = {**RESTORE, "choices": {"backup": BACKUP, **(also or {})}}
    story = Story(a_runbook(procedures=procedures or {"restore": restore}))
    lists = [ChoiceList(choice="backup", title=BACKUP["title"], options=options, **found)]
    lists += [
        ChoiceList(choice=name, title=decl["title"], options=(Option(value="all", title="All of it"),))
        for name, decl in (also or {}).items()
    ]
    story.pages[ChoicesQuery] = lambda query: ChoicesPage(procedure=query.procedure, choices=tuple(lists))
    story.fires()
    story.opened("Conversations are gone")
    return story
