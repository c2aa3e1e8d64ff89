"""The log's title: what one must know of the lines that are not in sight. The most urgent comes first."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from warroom.console.panes.logfilter import written
from warroom.console.text import Part, cut, line
from warroom.model.live import LogFilter, LogPage
from warroom.model.signal import LogHead


def entitled(heads: Sequence[LogHead], passing: LogFilter, page: LogPage | None, problem: str, held: str) -> Content:
    """``held`` are the words for a log that is held still, empty while it runs."""
    parts: list[Part] = [(" 5 ", "$accent bold"), ("Log ", "bold")]
    if problem:
        parts.append((f"✖ {cut(problem, 200)} ", "$error"))
    if held:
        parts.append((f"{held} ", "bold $warning"))
    searching = page is not None and page.searched < page.of
    if kept := written(passing):
        found = f"{page.matching:,}{'+' if searching else ''}" if page is not None else "…"
        parts.append((f"/ {cut(kept, 60)}: {found} ", "bold $warning"))
    if page is not None and searching and not problem:
        parts.append((f"searched {page.searched * 100 // max(1, page.of)} % ", "$warning"))
    if lately := sum(head.lately for head in heads):
        parts.append((f"✖ {lately:,} {cut(heads[0].over, 40)} ", "$error"))
    if dropped := sum(head.dropped for head in heads):
        parts.append((f"{dropped:,} dropped ", "$warning"))
    parts += [(f"{head.source}: {head.note} ", "$warning") for head in heads if head.note]
    parts.append((" ".join(head.source for head in heads[:8]) + " ", "$text-muted"))
    return line(*parts)
