"""The only door to other programs.

An argv is a list of words, never a line for a shell. Each program leads a session and process group of its own:
Ctrl+C in the terminal doesn't reach it, it can't ask anything on the terminal, and it is ended together with all it
started. `run` is for programs that end, `piped` for two of which one feeds the other, `start` for those that stay,
`dial` for those that carry a connection, `replace` becomes one; `alive` and `stop_other` are for programs found again
by a pid and start time that were written down.

Unless told otherwise, whatever is started here also ends when this process does, even by kill -9: see
`warroom.process.guardian`. For that, one variable (``WARROOM_SPAWN``) is added to each program's environment.
"""

from warroom.process.child import Child, start
from warroom.process.command import checked_argv, environment, replace
from warroom.process.dialing import Dialed, dial
from warroom.process.found import alive, start_time, stop_other
from warroom.process.group import STOP_GRACE
from warroom.process.pipes import LINE_LIMIT, OnLine
from warroom.process.piping import piped
from warroom.process.running import OUTPUT_LIMIT, Finished, run

__all__ = [
    "LINE_LIMIT",
    "OUTPUT_LIMIT",
    "STOP_GRACE",
    "Child",
    "Dialed",
    "Finished",
    "OnLine",
    "alive",
    "checked_argv",
    "dial",
    "environment",
    "piped",
    "replace",
    "run",
    "start",
    "start_time",
    "stop_other",
]
