"""The HorizontalPodAutoscaler, basically: CPU use against its target, within its bounds, if its behaviour lets it."""

from __future__ import annotations

import math

from tests.kube import clock
from tests.kube.api import Write
from tests.kube.controllers import Item, Work
from tests.kube.kubelet import PODS, is_ready
from tests.kube.quantities import cpu_of
from tests.kube.resources import resource
from tests.kube.selectors import by_selector
from tests.kube.store import Change, Obj

SCALERS = resource("autoscaling", "horizontalpodautoscalers")
PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "ReplicaSet": "replicasets"}
EVERY_S = 0.2
"""A real one looks every 15 s."""

TOLERANCE = 0.1
REQUEST_M = 100
HOW = Write("kube-controller-manager")


class Autoscaling:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["autoscaling"] = self.sync
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        return [("autoscaling", change.namespace, change.name)] if change.key == SCALERS.key else []

    def sync(self, space: str, name: str) -> None:
        scaler = self.api.store.get(SCALERS.key, space, name)
        if scaler is None:
            return
        self.work.later(("autoscaling", space, name), EVERY_S)
        target = scaler["spec"]["scaleTargetRef"]
        of = resource("apps", PLURALS[target["kind"]])
        obj = self.api.store.get(of.key, space, target["name"])
        if obj is None:
            text = "the HPA controller was unable to get the target's current scale"
            self._status(scaler, 0, 0, [_condition("AbleToScale", False, "FailedGetScale", text)])
            return
        now = obj["spec"]["replicas"]
        able = _condition(
            "AbleToScale", True, "SucceededGetScale", "the HPA controller was able to get the current scale"
        )
        if now == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            self._status(scaler, 0, 0, [able, _condition("ScalingActive", False, "ScalingDisabled", text)])
            return
        wanted, why = self._wanted(scaler, obj, now)
        if wanted is None:
            wanted = min(max(now, scaler["spec"]["minReplicas"]), scaler["spec"]["maxReplicas"])
            active = _condition("ScalingActive", False, "FailedGetResourceMetric", why)
        else:
            active = _condition("ScalingActive", True, "ValidMetricFound", why)
        wanted = self._allowed(scaler, now, wanted)
        if wanted != now:
            changed = {**obj, "metadata": dict(obj["metadata"]), "spec": {**obj["spec"], "replicas": wanted}}
            self.api.update(of, space, target["name"], changed, HOW)
            text = f"New size: {wanted}; reason: cpu resource utilization (percentage of request)"
            self.work.events.say(scaler, "SuccessfulRescale", text, "horizontal-pod-autoscaler")
        self._status(scaler, obj["status"].get("replicas", 0), wanted, [able, active])

    def _wanted(self, scaler: Obj, obj: Obj, now: int) -> tuple[int | None, str]:
        """By the first metric; None when it can't be told."""
        if not self.work.levers.metrics:
            return (
                None,
                "the HPA was unable to compute the replica count: unable to fetch metrics from resource metrics API",
            )
        metrics: list[Obj] = scaler["spec"].get("metrics") or [{}]
        goal = metrics[0].get("resource", {}).get("target", {}).get("averageUtilization", 80)
        selects = by_selector(obj["spec"]["selector"])
        pods = [
            pod for pod in self.api.store.all(PODS.key, obj["metadata"]["namespace"]) if selects(pod) and is_ready(pod)
        ]
        steered = [self.work.levers.usage.get((pod["metadata"]["namespace"], pod["metadata"]["name"])) for pod in pods]
        # Of pods of which nothing was said the load is taken to be just right.
        used = [(found[0] * 100 / _request(pod)) if found else goal for pod, found in zip(pods, steered, strict=True)]
        if not used:
            return None, "the HPA was unable to compute the replica count: did not receive metrics for any ready pods"
        ratio = sum(used) / len(used) / goal
        wanted = now if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * len(used))
        wanted = min(max(wanted, scaler["spec"]["minReplicas"]), scaler["spec"]["maxReplicas"])
        return wanted, "the HPA was able to successfully calculate a replica count from cpu resource utilization"

    def _allowed(self, scaler: Obj, now: int, wanted: int) -> int:
        behavior = scaler["spec"].get("behavior") or {}
        way = "scaleUp" if wanted > now else "scaleDown"
        return now if (behavior.get(way) or {}).get("selectPolicy") == "Disabled" else wanted

    def _status(self, scaler: Obj, now: int, wanted: int, conditions: list[Obj]) -> None:
        before = {one["type"]: one for one in scaler.get("status", {}).get("conditions", [])}
        kept = []
        for one in conditions:
            old = before.get(one["type"], {})
            same = old.get("status") == one["status"]
            kept.append({**one, "lastTransitionTime": old["lastTransitionTime"] if same else clock.seconds()})
        status = {"currentReplicas": now, "desiredReplicas": wanted, "conditions": kept}
        self.api.set_status("horizontalpodautoscalers", scaler, status, group="autoscaling")


def _request(pod: Obj) -> float:
    """Millicores."""
    asked = pod["spec"]["containers"][0].get("resources", {}).get("requests", {}).get("cpu")
    return cpu_of(asked) * 1000 if asked else REQUEST_M


def _condition(kind: str, holds: bool, reason: str, message: str) -> Obj:
    return {"type": kind, "status": str(holds), "reason": reason, "message": message}
