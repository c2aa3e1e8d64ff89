"""What is advised and what is refused, as pure functions of the runbook and what is known."""

from warroom.decision.answers import Stopped
from warroom.decision.guards import guards
from warroom.decision.target import best_target
from warroom.decision.tree import TreeReader, reached_times, shape

__all__ = ["Stopped", "TreeReader", "best_target", "guards", "reached_times", "shape"]
