"""What was told in passing and what was refused, with the reasons: a message that has gone can be read again."""

from __future__ import annotations

from textual.content import Content

from warroom.console.screens.reading import Reading
from warroom.console.text import line, wrapped
from warroom.console.words import utc


class ToldScreen(Reading):
    """Newest first."""

    heading = "messages"
    fills = True

    def fill(self) -> None:
        lines: list[Content] = []
        for told in reversed(self.store.told.read()):
            sign, style = ("✖ ", "$warning") if told.bad else ("· ", "")
            lines += wrapped(told.words, self.cells, style, f"{utc(told.at)} {sign}")
        self.show(lines or [line(("Nothing was told or refused yet.", "$text-muted"))])
