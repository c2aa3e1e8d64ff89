"""Small, valid facts for tests. Each builder takes what matters to the test and fills in the rest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from warroom.model.base import sha256
from warroom.model.call import ApiCall, Call, HttpCall, ProcessCall, Ref
from warroom.model.event import Actor, Body, Event, IncidentOpened
from warroom.model.fold import fold_all
from warroom.model.plan import Plan, Preview, Step
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.signal import Sample, TriggerReading
from warroom.model.state import State
from warroom.testing.clock import START

AT = START
INCIDENT = "inc-0001"


def at(seconds: float = 0) -> datetime:
    """``seconds`` after the moment at which all these facts begin."""
    return AT + timedelta(seconds=seconds)


def a_runbook(**overrides: Any) -> Runbook:
    """A small drill runbook: one trigger, one question of each kind, both checklists, one procedure, one check.

    ``overrides`` replace whole sections, written as a runbook file writes them.
    """
    return Runbook.model_validate({**_RUNBOOK, **overrides})


def a_release(version: str = "v1.0.0-beta.2", **overrides: Any) -> Release:
    """A release whose commit and digest follow from its version."""
    digest = sha256(version.encode())
    return Release.model_validate({"version": version, "commit": digest[7:47], "digest": digest, **overrides})


def a_call(*argv: str) -> ProcessCall:
    return ProcessCall(argv=argv or ("systemctl", "restart", "web"))


def an_http_call(url: str = "http://127.0.0.1:1/deploy", **body: JsonValue | Ref) -> HttpCall:
    return HttpCall(method="POST", url=url, body=body or None)


def an_api_call(
    method: str = "PATCH", path: str = "/apis/apps/v1/namespaces/shop/deployments/web", **more: Any
) -> ApiCall:
    return ApiCall.model_validate({"method": method, "path": path, "line": "kubectl get deployment web", **more})


def a_preview(*calls: Call, **overrides: Any) -> Preview:
    made: dict[str, Any] = {"calls": calls or (a_call(),)}
    if "inverse" not in overrides and "no_inverse" not in overrides:
        made["no_inverse"] = "a restart has nothing to take back"
    return Preview(**{**made, **overrides})


def a_step(step_id: str = "restart", *calls: Call, **overrides: Any) -> Step:
    made: dict[str, Any] = {
        "id": step_id,
        "title": "Restart the web service",
        "platform": "lab",
        "operation": "restart",
        "plugin": "lab",
        "plugin_version": "1",
        "args": {},
        "risk": "disruptive",
        "role": "application",
        "preview": a_preview(*calls),
    }
    return Step(**{**made, **overrides})


def a_plan(*steps: Step, **overrides: Any) -> Plan:
    made: dict[str, Any] = {
        "id": "plan-1",
        "incident": INCIDENT,
        "procedure": "lab-rollback",
        "title": "Roll the lab back",
        "fingerprint": {"lab": "lab-0001"},
        "runbook_hash": a_runbook().hash,
        "target": a_release(),
        "steps": steps or (a_step(),),
    }
    return Plan(**{**made, **overrides})


def a_trigger(status: str = "firing", **overrides: Any) -> TriggerReading:
    made: dict[str, Any] = {
        "id": "error-rate",
        "title": "Error rate above 5 %",
        "severity": "critical",
        "status": status,
        "signal": "errors",
        "value": 0.124,
        "limit": 0.05,
        "count": 812,
    }
    return TriggerReading.model_validate({**made, **overrides})


def a_sample(value: float | None = 0.01, seconds: float = 0, **overrides: Any) -> Sample:
    return Sample(**{"signal": "errors", "value": value, "count": 100, "at": at(seconds), **overrides})


def an_incident(**overrides: Any) -> IncidentOpened:
    """The body of the event that opens an incident, with ``a_runbook()`` in it."""
    runbook = overrides.pop("runbook", None) or a_runbook()
    made: dict[str, Any] = {
        "incident": INCIDENT,
        "title": "Error rate 12.4 %",
        "detected_at": at(-20),
        "severity": "critical",
        "triggers": (a_trigger(),),
        "running": a_release("v1.0.0-beta.3"),
        "fingerprint": {"lab": "lab-0001"},
        "runbook": runbook,
        "runbook_hash": runbook.hash,
    }
    return IncidentOpened(**{**made, **overrides})


def an_event(body: Body | None = None, seq: int = 1, *, by: str = "op1", seconds: float | None = None) -> Event:
    """``body`` (an opened incident without one) as entry ``seq``, one second after the entry before it."""
    return Event(
        seq=seq,
        at=at(seq if seconds is None else seconds),
        id=f"{INCIDENT}-{seq}",
        actor=Actor(name=by, kind="engine" if by == "engine" else "person"),
        body=an_incident() if body is None else body,
    )


def events(*bodies: Body, first: int = 1, by: str = "op1") -> list[Event]:
    """The bodies as entries in a row."""
    return [an_event(body, seq, by=by) for seq, body in enumerate(bodies, first)]


def a_state(*bodies: Body, opened: bool = True) -> State:
    """The fold of the bodies, after an opened incident unless ``opened`` is False."""
    before: Iterable[Body] = (an_incident(),) if opened else ()
    return fold_all(events(*before, *bodies))


_RUNBOOK: dict[str, Any] = {
    "format": 1,
    "service": "ai-saas-app",
    "environment": {"kind": "drill", "name": "lab"},
    "platforms": {"lab": {"plugin": "lab"}},
    "signals": {
        "errors": {"title": "5xx", "unit": "ratio", "source": {"platform": "lab", "signal": "errors"}},
        "health": {"title": "health", "unit": "state", "source": {"platform": "lab", "signal": "health"}},
    },
    "components": {"web": {"title": "web", "signal": "health"}},
    "triggers": {
        "error-rate": {
            "title": "Error rate above 5 %",
            "severity": "critical",
            "impact": "users see errors",
            "conditions": {
                "errors-high": {
                    "sentence": ">5% of requests returning HTTP 500 for >5 minutes",
                    "signal": "errors",
                    "above": 0.05,
                    "for": "5m",
                    "at_least": 20,
                }
            },
        }
    },
    "tree": {
        "root": "degraded",
        "questions": {
            "degraded": {
                "ask": "Is the service degraded?",
                "answers": {"yes": "severity", "no": "monitor"},
                "from": {"by": "firing"},
            },
            "severity": {
                "ask": "How severe?",
                "answers": {"critical": "roll-back-now", "warning": "fixable"},
                "from": {"by": "severity"},
            },
            "fixable": {"ask": "Can it be fixed in 15 minutes?", "answers": {"yes": "hotfix", "no": "roll-back"}},
        },
        "leaves": {
            "monitor": {"advice": "monitor", "title": "Keep watching"},
            "hotfix": {"advice": "hotfix", "title": "Fix it forward"},
            "roll-back": {"advice": "rollback", "title": "Roll back"},
            "roll-back-now": {"advice": "rollback-now", "title": "Roll back now"},
        },
    },
    "checklists": {
        "pre-rollback": {
            "title": "Before rolling back",
            "items": {
                "notify": {"sentence": "Notify stakeholders", "done_when": "stakeholders-notified"},
                "capture": {"sentence": "Capture state", "done_when": "evidence-sealed"},
            },
        },
        "rollback": {
            "title": "Rollback",
            "items": {
                "execute": {
                    "sentence": "Execute the rollback",
                    "items": {
                        "application": {"sentence": "Application", "done_when": "application-rolled-back"},
                        "database": {
                            "sentence": "Database (if needed)",
                            "if_needed": True,
                            "done_when": "database-rolled-back",
                        },
                    },
                },
                "tell": {"sentence": "Tell the team"},
            },
        },
    },
    "procedures": {
        "lab-rollback": {
            "title": "Roll the lab back",
            "use_when": "the release is bad",
            "needs": ["lab"],
            "expected": [{"least": "3m", "most": "5m"}],
            "steps": {
                "restart": {"title": "Restart the web service", "op": "lab.restart", "role": "application"},
            },
        }
    },
    "verification": {
        "running": {"sentence": "The target runs", "use": "running-is-target"},
        "health": {"sentence": "Health is well", "use": "lab.health", "proves": "health-verified"},
    },
    "templates": {"started": {"title": "Rollback started", "text": "Rolling back {{ service }}"}},
    "contacts": {"lead": {"title": "Team lead", "reach": "lead@example.org"}},
    "escalation": [{"after": "5m", "sentence": "Call the lead", "contacts": ["lead"]}],
    "post_mortem": {"within": "24h", "sections": {"root-cause": {"title": "Root cause"}}},
    "watch": "30m",
    "drill_windows": {"errors-high": "20s", "watch": "60s"},
}
