"""What can be done to workloads: each with the command lines that people would paste."""

from __future__ import annotations

from warroom.api import Operation
from warroom_kubernetes.operations.undo import Undo
from warroom_kubernetes.operations.waiting import Rollout

OPERATIONS: tuple[Operation, ...] = (Undo(), Rollout())
