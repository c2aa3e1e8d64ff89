"""The journal's head, told to a place that whoever holds this machine does not hold: a file elsewhere, or syslog.

Someone who rewrites all entries and the head file can only be caught by a copy of a head that is kept elsewhere.
Publishing comes after the commit and on a thread of its own: a place that is slow or gone never holds up an entry.
"""

from __future__ import annotations

import os
import queue
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from warroom.errors import BadInput, WarroomError
from warroom.files import open_private, sync
from warroom.journal.chain import genesis, link
from warroom.journal.head import Mark
from warroom.journal.reading import Reading, Verified

NOTICE = "<109>"
"""Syslog's security/authorization facility, severity notice."""
WAITING = 10_000
_LINE = re.compile(r"warroom: head (INC-\d{4,9}|DRILL-\d{4,9}) seq=(\d{1,18}) sha256=([0-9a-f]{64})\b")


def drawn(incident: str, mark: Mark) -> str:
    return f"warroom: head {incident} seq={mark.seq} sha256={mark.hash.hex()}"


class Publisher:
    """``to`` is ``file:PATH`` or ``syslog:SOCKET``. ``failed`` is told, on the thread, what went wrong ("": it works).

    Raises BadInput for any other ``to``.
    """

    def __init__(self, to: str, failed: Callable[[str], None]) -> None:
        kind, _, where = to.partition(":")
        if kind not in ("file", "syslog") or not where:
            raise BadInput(
                f"{to!r} is no place for heads", "file:PATH or syslog:SOCKET was expected", "WARROOM_PUBLISH"
            )
        self._kind, self._where = kind, Path(where)
        self._failed = failed
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="published-heads", daemon=True)
        self._thread.start()

    def offer(self, incident: str, mark: Mark) -> None:
        """Returns at once. With ten thousand heads waiting the new one is left out: a later one covers it."""
        try:
            self._queue.put_nowait(drawn(incident, mark))
        except queue.Full:
            self._failed(f"{WAITING:,} heads wait to be published")

    def close(self, timeout: float = 2.0) -> None:
        """What waits is still published, if that takes no longer than ``timeout`` seconds."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._to_file(line) if self._kind == "file" else self._to_syslog(line)
            except (OSError, WarroomError) as error:
                self._failed(f"{self._where}: {error}")
            else:
                self._failed("")

    def _to_file(self, line: str) -> None:
        descriptor = open_private(self._where, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{line}\n".encode())
            sync(descriptor)
        finally:
            os.close(descriptor)

    def _to_syslog(self, line: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.settimeout(2)
            door.connect(str(self._where))
            door.send(f"{NOTICE}{line}".encode())


def held_against(reading: Reading, published: str) -> Verified:
    """A journal that is whole in itself, against the heads of it among the lines of ``published``.

    ``first_bad`` is the first entry that no published head vouches for; the change lies between it and the head that
    does not agree. Raises BadInput when there is no head of this journal among them.
    """
    heads = sorted(
        (int(seq), bytes.fromhex(h)) for name, seq, h in _LINE.findall(published) if name == reading.incident
    )
    if not heads:
        raise BadInput(f"No head of {reading.incident} was published there", "no line has one", "give another file")
    if not reading.verified.ok:
        return reading.verified
    chain = {0: genesis(reading.incident)}
    for seq, data in sorted(reading.entries.items()):
        chain[seq] = link(chain[seq - 1], seq, data)
    vouched = 0
    for seq, digest in heads:
        if seq not in chain:
            last = max(chain)
            reason = f"entry {seq} was published, and the journal ends at entry {last}"
            return Verified(ok=False, entries=last, first_bad=last + 1, reason=reason)
        if chain[seq] != digest:
            reason = f"the head published at entry {seq} differs: something up to it was rewritten"
            return Verified(ok=False, entries=len(chain) - 1, first_bad=vouched + 1, reason=reason)
        vouched = seq
    return reading.verified
