"""What warroom may do by itself: probes that act as an attacker would, and an automatic rollback.

Both are off until a runbook turns them on, and what is turned on has to be safe as it is written: in production a probe
needs leave and a pace, and a rollback that nobody approves may neither be destructive nor be done by hand.
"""

from __future__ import annotations

from warroom.model.automation import AutomaticRollback
from warroom.model.base import span_text
from warroom.model.runbook import Procedure
from warroom.runbook.cross import Cross
from warroom.runbook.problems import meant, one_of, quoted

LEAST_COUNTDOWN = 30.0
"""Seconds. In production people need the time to read what is announced, and to reach a key."""


def check_automation(cross: Cross) -> None:
    """After the plugins have been asked: it needs to know what they probe, and how risky their operations are."""
    _probes(cross)
    policy = cross.runbook.automatic_rollback
    if policy is not None:
        _policy(cross, policy)


def _probes(cross: Cross) -> None:
    book = cross.runbook
    for signal_id in book.active_probes:
        cross_known = cross.known("signals")
        if signal_id not in cross_known:
            at = cross.key("active_probes", signal_id)
            cross.wrong(
                at, f"the unknown signal {quoted(signal_id)}", one_of(cross_known), meant(signal_id, cross_known)
            )
    if book.environment.kind != "production":
        return
    tried = {c.signal for _, _, _, c in book.conditions() if c.active_probe}
    for signal_id, signal in book.signals.items():
        offer = cross.offers.get(signal_id)
        active = offer.active if offer is not None else None
        if signal.source is None or active is False or not (active or signal_id in tried):
            continue
        at = cross.value("signals", signal_id, "source")
        leave = book.active_probes.get(signal_id)
        if leave is None:
            found = f"an active probe for {quoted(signal_id)} in production, without leave"
            cross.wrong(at, found, f"active_probes: {{{signal_id}: {{every: 10m}}}}, which says how often it may try")
        elif offer is not None and offer.every is None:
            cross.wrong(at, f"a source of {quoted(signal_id)} that does not say how often it tries", "one that does")
        elif offer is not None and offer.every is not None and offer.every < leave.every:
            found = f"a probe every {span_text(offer.every)}"
            cross.wrong(at, found, f"at most one every {span_text(leave.every)}, as active_probes allows")


def _policy(cross: Cross, policy: AutomaticRollback) -> None:
    book = cross.runbook
    if cross.name("trigger", policy.trigger, "triggers", "automatic_rollback", "trigger"):
        trigger = book.triggers.get(policy.trigger)
        at = cross.value("automatic_rollback", "trigger")
        if trigger is not None and trigger.severity != "critical":
            cross.wrong(at, f"the warning {quoted(policy.trigger)}", "a critical trigger")
        elif trigger is not None and trigger.stop_writes_first:
            cross.wrong(
                at, f"{quoted(policy.trigger)}, at which writes are stopped first", "a trigger that needs no such"
            )
    if book.environment.kind == "production" and policy.countdown < LEAST_COUNTDOWN:
        where = ("automatic_rollback", "countdown")
        cross.wrong(cross.value(*where), f"{span_text(policy.countdown)} to veto in production", "30s or more")
    if cross.name("procedure", policy.procedure, "procedures", "automatic_rollback", "procedure"):
        procedure = book.procedures.get(policy.procedure)
        if procedure is not None:
            _procedure(cross, policy.procedure, procedure)


def _procedure(cross: Cross, name: str, procedure: Procedure) -> None:
    """Application only, by operations only, on platforms whose identity is written down."""
    book, at = cross.runbook, cross.value("automatic_rollback", "procedure")
    if procedure.kind != "rollback":
        cross.wrong(at, f"{quoted(name)}, a {procedure.kind} procedure", "one of the kind rollback")
        return
    if procedure.choices:
        cross.wrong(at, f"{quoted(name)}, which needs a person to choose", "one that needs no choice")
    taken = {step_id: step for step_id, step in procedure.steps.items() if not (step.if_needed or step.after_stop)}
    if not any(step.role == "application" and step.op is not None for step in taken.values()):
        cross.wrong(at, f"{quoted(name)}, which rolls no application back by itself", "one that does")
    for step_id, step in taken.items():
        if step.op is None:
            cross.wrong(at, f"{quoted(name)}, whose step {step_id} is done by hand", "one of operations alone")
        elif step.role == "database" or cross.risks.get(step.op) == "destructive":
            cross.wrong(at, f"{quoted(name)}, whose step {step_id} is destructive", "one that rolls back the app alone")
    if book.environment.kind != "production":
        return
    for platform in dict.fromkeys(step.op.partition(".")[0] for step in taken.values() if step.op is not None):
        if platform not in book.environment.fingerprints:
            found = f"{quoted(name)} on {platform}, whose fingerprint is not written down"
            cross.wrong(at, found, f"environment.fingerprints.{platform}: nothing else tells that it is the right one")
