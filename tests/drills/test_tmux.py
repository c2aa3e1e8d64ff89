"""A whole drill as two people play it: in a real tmux, from two terminals of different size, by the keys alone.

Whoever plays here knows one thing: the line under the header names the next right action and its key.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labs import mentioning, until
from tests.tmux import Client, Tmux
from warroom.journal.export import read_events
from warroom.journal.folder import StateFolder
from warroom.journal.verify import verify
from warroom.model.event import IncidentClosed, RunEnded, VerificationEnded

NEXT = re.compile(r"▶\s+(\S+)\s+(\S.*)")


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path, {"HOME": str(tmp_path), "WARROOM_STATE": str(tmp_path / "state")})
    try:
        yield server
    finally:
        server.kill()


class Pair:
    """Two people at one session: each next right action is taken from the other's keyboard."""

    def __init__(self, tmux: Tmux, *people: Client) -> None:
        self.tmux, self.people, self.turn = tmux, people, 0
        self.taken: list[str] = []

    @property
    def at_the_keys(self) -> Client:
        return self.people[self.turn % len(self.people)]

    async def hand_over(self) -> None:
        """The other presses a key that does nothing: tmux then gives the session that terminal's size."""
        self.turn += 1
        wanted = self.at_the_keys.size
        self.at_the_keys.press("\x1b[24~")  # F12
        await self.tmux.until(lambda _: self.tmux.size() == wanted, f"the session has {wanted}")
        await self.tmux.until(lambda screen: "▶" in screen, "drawn at its new size")

    def press(self, keys: str) -> None:
        self.at_the_keys.press(keys)

    async def _type(self, *parts: str) -> None:
        """One after the other, as hands do: what comes at once may be taken for a paste."""
        for part in parts:
            self.press(part)
            await asyncio.sleep(0.3)

    async def next_right_action(self) -> str:
        """What the line says, once it names a key."""
        screen = await self.tmux.until(lambda seen: key_of(seen) != "", "a next right action with its key", 90)
        return key_of(screen)

    async def play(self, last: str, at_most: int = 30) -> None:
        """One next right action after the other, until this one is taken."""
        while last not in self.taken:
            assert len(self.taken) < at_most, f"the same again and again: {self.taken}"
            await self.take(await self.next_right_action())
            await self.hand_over()

    async def take(self, key: str) -> None:
        self.taken.append(key)
        asked = row_of(await asyncio.to_thread(self.tmux.screen))
        self.press(key)
        await self._answer(key)
        await self.tmux.until(
            lambda seen: "esc " not in seen and row_of(seen) not in ("", asked), f"{key} is done and closed", 60
        )

    async def _answer(self, key: str) -> None:
        """What the dialog behind a key asks of who knows what they want."""
        match key:
            case "d":
                await self.tmux.shows(r"· decide")
                self.press("\r")
            case "m":
                screen = await self.tmux.shows(r"to no channel")
                if "I sent it by hand" in screen:
                    await self._type("\t", "\r")
                else:
                    self.press("\x13")
            case "g":
                await self.tmux.shows(r"best")
                self.press("\r")
            case "p":
                await self.tmux.shows(r"choose the procedure")
                self.press("\r")
                await self.tmux.shows(r"Run it …")
                self.press("\x1b")
            case "R":
                screen = await self.tmux.shows(r"nothing stands against it|can be waived with a reason")
                await self._type("practice", "\t", "\r") if "waived" in screen else self.press("\r")
            case "l":
                await self.tmux.shows(r"· note")
                self.press("\x13")
            case "X":
                await self.tmux.shows(r"Recovered")
                await self._type("all is well", "\t", "\r")
            case _:
                pass


def row_of(screen: str) -> str:
    """The line that names the next right action; empty while a dialog covers it."""
    return next((row for row in screen.splitlines()[:4] if NEXT.search(row)), "")


def key_of(screen: str) -> str:
    """The key of the next right action; empty while there is nothing to press."""
    for row in screen.splitlines()[:4]:
        found = NEXT.search(row)
        if found and len(found[1]) == 1 and found[1].isalpha() and "not been read yet" not in row:
            return found[1]
    return ""


@pytest.mark.needs("tmux")
@pytest.mark.timeout(600)
async def test_two_people_play_a_whole_drill_by_the_next_right_action(tmux: Tmux, tmp_path: Path) -> None:
    tmux.start([sys.executable, "-m", "warroom.cli", "drill"], (80, 24))
    with tmux.client((80, 24)) as one, tmux.client((200, 60)) as two:
        pair = Pair(tmux, one, two)
        await tmux.shows(r"DRILL-0001", 120)
        await pair.play("X")
        await tmux.shows(r"CLOSED recovered")
        pair.press("q")
        await tmux.until(lambda _: tmux.ended() is not None, "the console has ended")
    assert tmux.ended() == 0
    assert pair.taken[-1] == "X"
    assert "".join(pair.taken).index("R") < "".join(pair.taken).index("v")
    folder = StateFolder(tmp_path / "state").drills.folder("DRILL-0001")
    events = [event.body for event in read_events(folder)[0]]
    assert [b.outcome for b in events if isinstance(b, RunEnded)] == ["done"]
    assert [b.verdict for b in events if isinstance(b, VerificationEnded)] == ["pass"]
    assert [b.outcome for b in events if isinstance(b, IncidentClosed)] == ["recovered"]
    assert verify(folder).ok


@pytest.mark.needs("tmux")
async def test_a_tmux_server_that_dies_leaves_no_process(tmux: Tmux, tmp_path: Path) -> None:
    """The terminal hangs up: SIGHUP comes, and SIGCONT with it."""
    tmux.start([sys.executable, "-m", "warroom.cli", "drill"], (80, 24))
    await tmux.shows(r"3 Health ● 4 well", 120)
    assert mentioning(tmp_path)
    tmux.kill()
    await until(lambda: not mentioning(tmp_path), "the console and its lab are gone", 60)
