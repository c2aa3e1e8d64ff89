"""Room on the disk kept for the journal: given up when the disk is full, so that outcomes can still be recorded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from warroom.files import open_private, opened
from warroom.model import event as ev
from warroom.model.event import Body

SIZE = 4 * 1024 * 1024

UNDERTAKINGS: tuple[type[Body], ...] = (
    ev.IncidentOpened,
    ev.EvidenceStarted,
    ev.PlanProposed,
    ev.PlanApproved,
    ev.RunStarted,
    ev.StepIntended,
)
"""What can't be recorded from the reserve: each would begin something whose outcome may find no room. Everything else
(what came back, how a step ended, a person's choice, a message's receipt, a note, the closing) still can."""


class Reserve:
    """``held`` is False once it was given up; the journal is then low on room."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path = path
        self.size = size
        self.held = self._allocated()

    def _allocated(self) -> bool:
        try:
            with opened(self._path, os.O_RDONLY) as descriptor:
                found = os.fstat(descriptor)
        except FileNotFoundError:
            return False
        return found.st_size >= self.size and found.st_blocks * 512 >= self.size

    def take(self) -> bool:
        """Takes the room, again if need be. False when the disk has not got it."""
        if self.held:
            return True
        descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            _allocate(descriptor, self.size)
            os.fsync(descriptor)
            self.held = True
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)
        return self.held

    def retake(self) -> bool:
        """Takes the room again once the disk has twice as much: not what was given up a moment ago."""
        free = os.statvfs(self._path.parent)
        return free.f_bavail * free.f_frsize >= 2 * self.size and self.take()

    def give_up(self) -> bool:
        """Frees the room. False when there was none to free."""
        if not self.held:
            return False
        with opened(self._path, os.O_RDWR) as descriptor:
            os.ftruncate(descriptor, 0)
            os.fsync(descriptor)
        self.held = False
        return True


def _allocate(descriptor: int, size: int) -> None:
    """Real blocks, not a hole: zeros are written where the file system can't be asked for blocks."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    block = bytes(1024 * 1024)
    for at in range(0, size, len(block)):
        os.pwrite(descriptor, block[: size - at], at)
