"""The runbook of the console's tests: of the real one's shape and size, and still when that one is edited."""

from __future__ import annotations

from typing import Any

from warroom.model.runbook import Runbook

_SIGNALS: dict[str, tuple[str, str]] = {
    "error-rate": ("5xx", "ratio"),
    "p95": ("p95", "ms"),
    "memory": ("memory", "ratio"),
    "pool": ("db pool", "ratio"),
    "web": ("web", "state"),
    "database": ("database", "state"),
    "sign-in": ("sign-in", "state"),
    "redis": ("redis", "state"),
    "webhooks": ("webhooks", "state"),
}

_TRIGGERS: dict[str, tuple[str, str, str, str]] = {
    "high-error-rate": ("High error rate", "critical", "error-rate", ">5% of requests returning HTTP 500"),
    "auth-down": ("Auth system down", "critical", "sign-in", "Users cannot sign in"),
    "performance": ("Performance degradation", "critical", "p95", "p95 response time >3000ms"),
    "corruption": ("Database corruption", "critical", "database", "Data integrity errors"),
    "payments": ("Payment system broken", "critical", "webhooks", "Webhooks not processing"),
    "redis-failing": ("Redis cache failures", "warning", "redis", "Redis cache failures"),
}

_CHECKS: dict[str, tuple[str, str | None]] = {
    "health": ("Health checks passing", "health-verified"),
    "flows": ("Sign-in, refresh, conversations and sending a message", "flows-verified"),
    "identity": ("The running version and commit are the target's", None),
    "error-rate": ("Error rate below its limit, with enough requests", "errors-normal"),
    "logs": ("Logs scanned for errors", None),
    "counts": ("Row counts against the snapshot", "integrity-verified"),
}


def a_runbook(kind: str = "drill", **overrides: Any) -> Runbook:
    """``kind`` is the environment's; drills have shorter windows. ``overrides`` replace whole sections."""
    sections: dict[str, Any] = {
        "format": 1,
        "service": "ai-saas-app",
        "environment": {"kind": kind},
        "platforms": {"lab": {"plugin": "lab"}},
        "signals": {name: {"title": title, "unit": unit} for name, (title, unit) in _SIGNALS.items()},
        "components": {
            "web": {"title": "web", "signal": "web"},
            "database": {"title": "database", "signal": "database"},
            "auth": {"title": "sign-in", "signal": "sign-in"},
            "redis": {"title": "redis", "signal": "redis"},
        },
        "triggers": {
            name: {
                "title": title,
                "severity": severity,
                "conditions": {"first": {"sentence": sentence, "signal": signal, "above": 0.05, "for": "5m"}},
            }
            for name, (title, severity, signal, sentence) in _TRIGGERS.items()
        },
        "tree": _TREE,
        "checklists": _CHECKLISTS,
        "procedures": _PROCEDURES,
        "verification": {
            name: {"sentence": sentence, "use": "triggers-quiet", **({"proves": proof} if proof else {})}
            for name, (sentence, proof) in _CHECKS.items()
        },
        "templates": {
            "started": {"title": "Rollback started", "text": "ROLLBACK IN PROGRESS"},
            "completed": {"title": "Rollback completed", "text": "ROLLBACK COMPLETED"},
        },
        "contacts": {
            "on-call": {"title": "On-call engineer", "reach": "pager"},
            "cto": {"title": "CTO", "reach": "+49 30 1234"},
        },
        "escalation": [
            {"after": 0, "sentence": "First 5 minutes: On-call engineer decides", "contacts": ["on-call"]},
            {"after": "5m", "sentence": "After 5 minutes: Notify CTO", "contacts": ["cto"]},
            {"after": "15m", "sentence": "After 15 minutes: Full team escalation"},
        ],
        "post_mortem": {"within": "24h", "sections": {"impact": {"title": "Impact"}}},
        "drill_windows": {"first": "20s", "watch": "1m"} if kind == "drill" else {},
    }
    return Runbook.model_validate({**sections, **overrides})


_TREE: dict[str, Any] = {
    "root": "degraded",
    "questions": {
        "degraded": {
            "ask": "Is service degraded?",
            "from": {"by": "firing"},
            "answers": {"no": "keep-monitoring", "yes": "severity"},
        },
        "severity": {
            "ask": "How severe?",
            "from": {"by": "severity"},
            "answers": {"warning": "hotfix-quickly", "critical": "now"},
        },
        "hotfix-quickly": {
            "ask": "Can we hotfix quickly? (<30 min)",
            "answers": {"yes": "hotfix", "no": "rollback"},
        },
    },
    "leaves": {
        "keep-monitoring": {"advice": "monitor", "title": "Continue monitoring"},
        "hotfix": {"advice": "hotfix", "title": "Deploy hotfix"},
        "rollback": {"advice": "rollback", "title": "ROLLBACK"},
        "now": {"advice": "rollback-now", "title": "ROLLBACK IMMEDIATELY"},
    },
}

_CHECKLISTS: dict[str, Any] = {
    "pre-rollback": {
        "title": "Before rolling back",
        "items": {
            "notify": {"sentence": "Notify stakeholders", "done_when": "stakeholders-notified"},
            "capture": {"sentence": "Capture evidence", "done_when": "evidence-sealed"},
            "cause": {
                "sentence": "Identify root cause (if time permits)",
                "done_when": "cause-noted",
                "if_needed": True,
                "hints": ["Check recent deployments", "Review error logs"],
            },
            "target": {"sentence": "Determine rollback target", "done_when": "target-chosen"},
        },
    },
    "rollback": {
        "title": "Rollback checklist",
        "items": {
            "assessed": {"sentence": "Incident detected and severity assessed", "done_when": "severity-assessed"},
            "notified": {"sentence": "Stakeholders notified (CTO, team, users)", "done_when": "stakeholders-notified"},
            "captured": {"sentence": "Evidence captured", "done_when": "evidence-sealed"},
            "identified": {"sentence": "Rollback target version identified", "done_when": "target-chosen"},
            "executed": {
                "sentence": "Rollback procedure executed",
                "done_when": "procedure-executed",
                "items": {
                    "application": {"sentence": "Application rolled back", "done_when": "application-rolled-back"},
                    "db": {
                        "sentence": "Database rolled back",
                        "if_needed": True,
                        "done_when": "database-rolled-back",
                    },
                    "caches": {"sentence": "Caches cleared", "if_needed": True, "done_when": "caches-cleared"},
                },
            },
            "verified": {
                "sentence": "Post-rollback verification",
                "done_when": "verified",
                "items": {
                    "healthy": {"sentence": "Health checks passing", "done_when": "health-verified"},
                    "flows": {"sentence": "Critical flows tested", "done_when": "flows-verified"},
                    "errors": {"sentence": "Error rate normalized", "done_when": "errors-normal"},
                    "integrity": {"sentence": "Database integrity confirmed", "done_when": "integrity-verified"},
                },
            },
            "watched": {"sentence": "Monitoring resumed (watch for 30 minutes)", "done_when": "watch-ended"},
            "completed": {"sentence": "Communication sent (completed)", "done_when": "completion-sent"},
            "scheduled": {"sentence": "Post-mortem scheduled (within 24h)", "done_when": "post-mortem-scheduled"},
            "documented": {"sentence": "Incident documentation updated", "done_when": "report-written"},
        },
    },
}

_PROCEDURES: dict[str, Any] = {
    "lab-rollback": {
        "title": "Roll the lab's application back",
        "use_when": "Deployed in the drill lab",
        "needs": ["lab"],
        "expected": [{"least": "20s", "most": "60s"}],
        "steps": {
            "deploy": {"title": "Deploy the target", "op": "lab.deploy", "role": "application"},
            "settle": {"title": "Wait until it serves", "op": "lab.wait"},
            "caches": {"title": "Clear caches", "op": "lab.clear", "role": "caches", "if_needed": True},
        },
    },
    "option-b": {
        "title": "Option B: Docker Compose",
        "use_when": "Deployed with Docker Compose",
        "expected": [{"least": "3m", "most": "5m"}],
        "steps": {"up": {"title": "Start with rolled-back version", "manual": {"do": "Start it"}}},
    },
    "stop-writes": {
        "title": "Stop writes",
        "use_when": "Data is being spoilt",
        "kind": "stop-writes",
        "needs": ["lab"],
        "steps": {"freeze": {"title": "Let nothing write", "op": "lab.freeze", "role": "stop-writes"}},
    },
}
