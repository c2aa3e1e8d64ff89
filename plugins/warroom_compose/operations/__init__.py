"""What can be done to a project: each with the command lines that people would paste."""

from __future__ import annotations

from warroom.api import Operation
from warroom_compose.operations.cutover import Restore, Up
from warroom_compose.operations.executing import Exec
from warroom_compose.operations.pinning import Pin, Unpin
from warroom_compose.operations.pulling import Prove, Pull
from warroom_compose.operations.running import Restart, Scale, Start, Stop

OPERATIONS: tuple[Operation, ...] = (
    Pull(),
    Prove(),
    Pin(),
    Up(),
    Stop(),
    Start(),
    Restart(),
    Scale(),
    Exec(),
    Restore(),
    Unpin(),
)
