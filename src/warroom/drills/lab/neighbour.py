"""The services beside the app that it needs: its AI provider and its mail server, each a process of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from warroom import process
from warroom.drills.lab.layout import Layout
from warroom.drills.lab.ledger import Ledger
from warroom.errors import TimedOut


class Neighbour:
    """``program`` is a file beside this one that serves the socket it is given."""

    def __init__(self, name: str, program: str, layout: Layout, ledger: Ledger) -> None:
        self.name = name
        self.socket = layout.run / f"{name}.sock"
        self._program = Path(__file__).with_name(program)
        self._layout = layout
        self._ledger = ledger
        self._child: process.Child | None = None

    @property
    def child(self) -> process.Child | None:
        return self._child

    async def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        argv = [sys.executable, "-I", "-S", str(self._program), str(self.socket)]
        self._child = await process.start(argv, cwd=self._layout.state, log=self._layout.log(self.name))
        self._ledger.started(self.name, self._child)
        for _ in range(500):
            try:
                _, writer = await asyncio.open_unix_connection(self.socket)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
        raise TimedOut(f"The lab's {self.name} service did not answer in 10 s", f"see {self.name}.log")

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(grace=3.0)
            self._child = None
            self._ledger.ended(self.name)
