"""Facts of the story: releases, the plan, readings, the tree, what changed."""

from __future__ import annotations

from datetime import timedelta

from warroom.model import live as lv
from warroom.model.base import sha256
from warroom.model.call import HttpCall
from warroom.model.decision import TreeAnswer, TreeReading
from warroom.model.plan import Plan, Preview, Step
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import ComponentReading, SignalReading, TriggerReading
from warroom.testing.clock import START

GOOD = Release(
    version="v1.0.0-beta.2",
    commit="41ab" * 10,
    digest=sha256(b"beta.2"),
    verdict="good",
    deployed_at=START - timedelta(days=6),
)
BAD = Release(version="v1.0.0-beta.3", commit="9c1f" * 10, digest=sha256(b"beta.3"), deployed_at=START)
OLDER = Release(
    version="v1.0.0-beta.1",
    commit="77d0" * 10,
    digest=sha256(b"beta.1"),
    verdict="good",
    deployed_at=START - timedelta(days=20),
)


def the_plan(procedure: str = "lab-rollback", target: Release = GOOD) -> Plan:
    deploy = HttpCall(method="POST", url="http://127.0.0.1:7001/deploy", body={"version": target.version})
    back = HttpCall(method="POST", url="http://127.0.0.1:7001/deploy", body={"version": BAD.version})
    wait = HttpCall(method="GET", url="http://127.0.0.1:7001/status")
    steps = [
        (
            "deploy",
            "Deploy the target",
            "deploy",
            "disruptive",
            Preview(
                calls=(deploy,), inverse=(back,), expected_s=8, pinned={"running": BAD.version}, destroys=("logs",)
            ),
        ),
        (
            "settle",
            "Wait until it serves",
            "wait",
            "safe",
            Preview(calls=(wait,), no_inverse="it only looks", expected_s=12),
        ),
    ]
    return Plan(
        id="plan-1",
        incident="inc-0042",
        procedure=procedure,
        title="Roll the lab's application back",
        fingerprint={"lab": "lab-7f3a"},
        runbook_hash=sha256(b"runbook"),
        target=target,
        steps=tuple(
            Step.model_validate(
                {
                    "id": i,
                    "title": t,
                    "platform": "lab",
                    "operation": o,
                    "plugin": "lab",
                    "plugin_version": "1",
                    "args": {},
                    "risk": r,
                    "role": "application",
                    "preview": p,
                }
            )
            for i, t, o, r, p in steps
        ),
        expected_s=20,
    )


def readings(error: float, p95: float, spark: tuple[float, ...], status: str) -> dict[str, lv.LiveValue]:
    firing = status == "firing"
    values: dict[str, lv.LiveValue] = {}
    for name, title, unit, value, limit in (
        ("error-rate", "5xx", "ratio", error, 0.05),
        ("p95", "p95", "ms", p95, 3000.0),
        ("memory", "memory", "ratio", 0.61, 0.9),
        ("pool", "db pool", "ratio", 0.42, 0.95),
    ):
        recent = tuple(value * part / spark[-1] for part in spark) if name in ("error-rate", "p95") else (value,) * 12
        values[f"signal-{name}"] = SignalReading(
            id=name, title=title, unit=unit, value=value, age_s=1, freshness="fresh", limit=limit, recent=recent
        )
    values["signal-webhooks"] = SignalReading(
        id="webhooks", title="webhooks", unit="state", value=None, freshness="unknown", words="nobody measures it"
    )
    for name, title, words in (
        ("web", "web", "3 of 3 serve"),
        ("database", "database", "42 of 100 connections"),
        ("auth", "sign-in", "503 for 12 %"),
        ("redis", "redis", "answers"),
    ):
        bad = firing and name == "auth"
        values[f"component-{name}"] = ComponentReading(
            id=name,
            title=title,
            status="failing" if bad else "ok",
            words=words if bad or name != "auth" else "signs in",
            age_s=2,
        )
    values["trigger-1"] = trigger(
        "high-error-rate", "High error rate", "firing" if firing else "ok", "error-rate", error
    )
    values["trigger-2"] = trigger("auth-down", "Auth system down", "ok", "sign-in", 1)
    values["trigger-3"] = trigger(
        "performance", "Performance degradation", "pending" if firing else "ok", "p95", p95, held=12
    )
    values["trigger-4"] = trigger("payments", "Payment system broken", "unknown", "webhooks", None)
    values["running"] = lv.RunningRelease(release=BAD if firing else GOOD)
    values["platform"] = lv.PlatformReading(id="lab", plugin="lab", status="ok", fingerprint="lab-7f3a")
    values["tree"] = the_tree() if firing else calm_tree()
    return values


def trigger(name: str, title: str, status: str, signal: str, value: float | None, held: float = 20) -> TriggerReading:
    limit = {"error-rate": 0.05, "p95": 3000.0}.get(signal)
    body = {
        "id": name,
        "title": title,
        "severity": "critical",
        "status": status,
        "signal": signal,
        "value": value,
        "limit": limit,
    }
    return TriggerReading.model_validate(
        {**body, "held_s": held, "need_s": 20, "production_need_s": 300, "words": "above its limit"}
    )


def the_tree() -> TreeReading:
    return TreeReading(
        path=(
            TreeAnswer(
                node="degraded",
                ask="Is service degraded?",
                answer="yes",
                choices=("no", "yes"),
                by="signals",
                evidence="High error rate fires: 12.4 % of 980 requests",
            ),
            TreeAnswer(
                node="severity",
                ask="How severe?",
                answer="critical",
                choices=("warning", "critical"),
                by="signals",
                evidence="a critical trigger fires",
            ),
        ),
        leaf="now",
        advice="rollback-now",
        title="ROLLBACK IMMEDIATELY",
        reason="5xx is above 5 %: the runbook rolls back at once",
        would_change="5xx below 3 % for a minute would end it",
    )


def calm_tree() -> TreeReading:
    return TreeReading(
        path=(
            TreeAnswer(
                node="degraded",
                ask="Is service degraded?",
                answer="no",
                choices=("no", "yes"),
                by="signals",
                evidence="no trigger fires",
            ),
        ),
        leaf="keep-monitoring",
        advice="monitor",
        title="Continue monitoring",
        reason="nothing fires",
    )


def the_diff() -> ReleaseDiff:
    return ReleaseDiff(
        older=GOOD.version,
        newer=BAD.version,
        commits=("9c1f9c1 Sign-in: look the session up by its token", "8d20aa1 Add Session.lastSeenAt"),
        files=("app/auth.py", "migrations/0003_session_last_seen.sql"),
        migrations=("0003_session_last_seen",),
        config_keys=("added SESSION_SEEN_EVERY",),
        notes=("the schema stays as it is: beta.2 runs on it",),
    )


def the_message(template: str) -> str:
    head = "ROLLBACK IN PROGRESS" if template == "started" else "ROLLBACK COMPLETED"
    rest = ("Time: 03:00 UTC", "Reason: High error rate", "Impact: sign-in fails for some users", "ETA: 5 minutes")
    return "\n".join((head, "", *rest))
