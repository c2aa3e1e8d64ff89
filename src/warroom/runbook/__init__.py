"""The runbook as data: read from a file, checked whole, every mistake with its place.

``load`` gives a runbook that holds together or raises ``RunbookInvalid``; ``default_runbook`` is the one to extend.
"""

from warroom.runbook.loader import DEFAULT_FILE, Loaded, default_runbook, load
from warroom.runbook.problems import Pos, Problem, RunbookInvalid, RunbookMissing

__all__ = ["DEFAULT_FILE", "Loaded", "Pos", "Problem", "RunbookInvalid", "RunbookMissing", "default_runbook", "load"]
