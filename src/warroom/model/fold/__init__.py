"""``fold(state, event)``: pure, total, bounded. One small function per kind of event, found by its type."""

from __future__ import annotations

from collections.abc import Iterable

from warroom.model.event import Event
from warroom.model.fold import acting, automatic, preparing
from warroom.model.fold.registry import FOLDS
from warroom.model.state import State

__all__ = ["acting", "automatic", "fold", "fold_all", "preparing"]


def fold(state: State, event: Event) -> State:
    """The state after ``event``. One that does not fit (about a plan that is not there) changes only ``seq``."""
    change = FOLDS.get(type(event.body))
    after = change(state, event, event.body) if change is not None else state
    return automatic.steer(state, after, event).model_copy(update={"seq": event.seq, "at": event.at})


def fold_all(events: Iterable[Event], state: State | None = None) -> State:
    after = state or State()
    for event in events:
        after = fold(after, event)
    return after
