"""Arguments that several operations share. ``workload`` is a key under ``workloads`` of the platform."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from warroom.model.base import Fact
from warroom_kubernetes.config import Name

Text = Annotated[str, Field(max_length=300, pattern=r"^[^\x00-\x1f]*$")]


class WorkloadArgs(Fact):
    workload: Name


class UndoArgs(WorkloadArgs):
    """Where to go back to; nothing at all means the revision before this one, as `kubectl rollout undo` has it.

    ``to`` is a revision by its number, its template's hash, its version or its digest. ``digest`` and ``version`` are
    what a target release is called, looked for in this order: another workload of the same release has another
    template, and is found by its version. ``resume``: a paused Deployment is resumed by the same change.
    """

    to: Text = ""
    digest: Text = ""
    version: Text = ""
    resume: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> UndoArgs:
        if self.to and (self.digest or self.version):
            raise ValueError("to, or digest and version, not both")
        return self
