"""What can be done to workloads: each with the command lines that people would paste."""

from __future__ import annotations

from warroom.api import Operation
from warroom_kubernetes.operations.applying import HpaApply
from warroom_kubernetes.operations.autoscalers import HpaRestore, HpaSuspend
from warroom_kubernetes.operations.handing import ResumeController, SuspendController
from warroom_kubernetes.operations.pausing import Pause, Restart, Resume
from warroom_kubernetes.operations.pods import DeletePod
from warroom_kubernetes.operations.scaling import ResumeWrites, Scale, StopWrites
from warroom_kubernetes.operations.undo import Undo
from warroom_kubernetes.operations.waiting import Rollout

OPERATIONS: tuple[Operation, ...] = (
    Undo(),
    Rollout(),
    Scale(),
    StopWrites(),
    ResumeWrites(),
    Pause(),
    Resume(),
    Restart(),
    DeletePod(),
    HpaSuspend(),
    HpaRestore(),
    HpaApply(),
    SuspendController(),
    ResumeController(),
)
