"""The drill lab: a real service on this machine, with real users, real releases and a real fault.

`running_lab` starts one and ends it. The lab itself is a process of its own, ``python -m warroom.drills.lab``.
"""

from warroom.drills.lab.handle import LabHandle, running_lab

__all__ = ["LabHandle", "running_lab"]
