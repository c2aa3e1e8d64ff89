"""The registry that ``fold`` looks events up in, and the small tools its parts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from warroom.model import state as st
from warroom.model.event import Event
from warroom.model.runbook import Proof
from warroom.model.state import State

Change = Callable[[State, Event, Any], State]
FOLDS: dict[type[Any], Change] = {}
NAMED = 500
"""How many things by name the state keeps of a kind: a runbook has fewer, a hostile journal may not."""
T = TypeVar("T")


def on(body: type[Any]) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        FOLDS[body] = change
        return change

    return register


def having(state: State, **changes: Any) -> State:
    return state.model_copy(update=changes)


def named(known: Mapping[str, T], name: str, value: T) -> dict[str, T]:
    """``known`` with ``name`` at its new value; beyond ``NAMED`` the oldest goes."""
    after = {**known, name: value}
    if len(after) > NAMED:
        del after[next(iter(after))]
    return after


def prove(state: State, event: Event, proof: Proof, words: str) -> State:
    return having(state, proofs={**state.proofs, proof: st.Proven(words=words, at=event.at, by=event.actor.name)})


def forget(state: State, *proofs: Proof) -> State:
    return having(state, proofs={k: v for k, v in state.proofs.items() if k not in proofs})
