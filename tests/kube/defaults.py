"""What the server adds to a manifest and what it refuses: the fields that a rollback meets."""

from __future__ import annotations

import re
from typing import Any

from tests.kube.errors import ApiError, invalid
from tests.kube.resources import Resource
from tests.kube.store import Obj

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
QUARTER = "25%"
GENERATION = "deprecated.daemonset.template.generation"


def _default(spec: Obj, **values: Any) -> None:
    for name, value in values.items():
        spec.setdefault(name, value)


def pod_defaults(spec: Obj) -> None:
    _default(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        _default(
            container,
            resources={},
            terminationMessagePath="/dev/termination-log",
            terminationMessagePolicy="File",
            imagePullPolicy="Always" if _floating(container.get("image", "")) else "IfNotPresent",
        )
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe := container.get(kind):
                _default(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
                if http := probe.get("httpGet"):
                    _default(http, path="/", scheme="HTTP")
        for one in container.get("env", []):
            if reference := one.get("valueFrom", {}).get("fieldRef"):
                reference.setdefault("apiVersion", "v1")
    for volume in spec.get("volumes", []):
        for kind in ("configMap", "secret"):
            if source := volume.get(kind):
                source.setdefault("defaultMode", 420)


def _floating(image: str) -> bool:
    last = image.rpartition("/")[2]
    return "@" not in image and (":" not in last or last.endswith(":latest"))


def _template(spec: Obj) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    pod_defaults(template.setdefault("spec", {}))


def _deployment(spec: Obj) -> None:
    _default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _default(strategy.setdefault("rollingUpdate", {}), maxUnavailable=QUARTER, maxSurge=QUARTER)
    _template(spec)


def _replicaset(spec: Obj) -> None:
    _default(spec, replicas=1)
    _template(spec)


def _statefulset(spec: Obj) -> None:
    _default(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", serviceName="")
    _default(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    _template(spec)


def _daemonset(spec: Obj) -> None:
    _default(spec, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _default(strategy.setdefault("rollingUpdate", {}), maxUnavailable=1, maxSurge=0)
    _template(spec)


def _cronjob(spec: Obj) -> None:
    _default(spec, suspend=False, concurrencyPolicy="Allow", successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    _template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _service(spec: Obj) -> None:
    _default(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    for port in spec.get("ports", []):
        _default(port, protocol="TCP", targetPort=port.get("port"))


def _autoscaler(spec: Obj) -> None:
    spec.setdefault("minReplicas", 1)
    # The server fills the rules in once one of the two is there.
    if behavior := spec.get("behavior"):
        up = [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]
        _default(behavior.setdefault("scaleUp", {}), stabilizationWindowSeconds=0, selectPolicy="Max", policies=up)
        down = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
        _default(behavior.setdefault("scaleDown", {}), selectPolicy="Max", policies=down)


DEFAULTS = {
    "deployments": _deployment,
    "replicasets": _replicaset,
    "statefulsets": _statefulset,
    "daemonsets": _daemonset,
    "cronjobs": _cronjob,
    "pods": pod_defaults,
    "services": _service,
    "horizontalpodautoscalers": _autoscaler,
}


def defaulted(resource: Resource, obj: Obj) -> None:
    """``obj`` is the caller's own copy."""
    if add := DEFAULTS.get(resource.plural):
        add(obj.setdefault("spec", {}))
    if resource.plural == "secrets":
        obj.setdefault("type", "Opaque")
        for key, text in obj.pop("stringData", {}).items():
            import base64

            obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


# ---- what is refused

IMMUTABLE: dict[str, tuple[str, ...]] = {
    "deployments": ("selector",),
    "replicasets": ("selector",),
    "daemonsets": ("selector",),
    "statefulsets": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
}

Causes = list[tuple[str, str]]


def template_generation(obj: Obj, before: Obj | None) -> None:
    """A DaemonSet's, counted by the server: one more with each change of its template."""
    notes = obj["metadata"].get("annotations") or {}
    if before is None:
        number = 1
    else:
        same = obj["spec"]["template"] == before["spec"]["template"]
        number = int(before["metadata"]["annotations"][GENERATION]) + (0 if same else 1)
    obj["metadata"]["annotations"] = {**notes, GENERATION: str(number)}


def validate(resource: Resource, obj: Obj, before: Obj | None) -> None:
    causes: Causes = []
    meta = obj["metadata"]
    if not DNS_NAME.fullmatch(meta["name"]) or len(meta["name"]) > 253:
        causes.append(("metadata.name", f'Invalid value: "{meta["name"]}": a lowercase RFC 1123 subdomain'))
    for name, value in (meta.get("labels") or {}).items():
        if not isinstance(value, str) or len(value) > 63 or not LABEL_VALUE.fullmatch(value):
            causes.append(("metadata.labels", f'Invalid value: "{value}": of {name}: a valid label'))
    spec = obj.get("spec") or {}
    if resource.plural in IMMUTABLE:
        causes += _workload(resource, spec, (before or {}).get("spec"))
    if resource.plural == "pods":
        causes += _containers(spec, "spec")
    if resource.plural == "horizontalpodautoscalers":
        least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
        if least < 1:
            causes.append(("spec.minReplicas", f"Invalid value: {least}: must be greater than or equal to 1"))
        if most < least:
            message = f"Invalid value: {most}: must be greater than or equal to `minReplicas`"
            causes.append(("spec.maxReplicas", message))
    if causes:
        raise invalid(resource.kind, resource.group, meta["name"], causes)


def _workload(resource: Resource, spec: Obj, before: Obj | None) -> Causes:
    causes: Causes = []
    for name in IMMUTABLE[resource.plural]:
        if before is not None and spec.get(name) != before.get(name):
            if resource.plural == "statefulsets":
                causes.append(
                    (
                        "spec",
                        "Forbidden: updates to statefulset spec for fields other than 'replicas', "
                        "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
                    )
                )
            else:
                causes.append((f"spec.{name}", "Invalid value: field is immutable"))
    replicas = spec.get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        causes.append(("spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0"))
    selector, labels = spec.get("selector"), spec["template"].get("metadata", {}).get("labels") or {}
    if not selector:
        causes.append(("spec.selector", "Required value"))
    elif any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        causes.append(
            ("spec.template.metadata.labels", f"Invalid value: {labels}: `selector` does not match template `labels`")
        )
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None and deadline <= ready:
        causes.append(
            ("spec.progressDeadlineSeconds", f"Invalid value: {deadline}: must be greater than minReadySeconds")
        )
    return causes + _containers(spec["template"]["spec"], "spec.template.spec")


def _containers(spec: Obj, where: str) -> Causes:
    containers = spec.get("containers") or []
    if not containers:
        return [(f"{where}.containers", "Required value")]
    causes: Causes = []
    for place, container in enumerate(containers):
        if not container.get("image"):
            causes.append((f"{where}.containers[{place}].image", "Required value"))
        if not DNS_LABEL.fullmatch(container.get("name", "")):
            causes.append((f"{where}.containers[{place}].name", "Required value"))
    names = [container.get("name") for container in containers]
    if len(set(names)) != len(names):
        causes.append((f"{where}.containers[1].name", f'Duplicate value: "{names[-1]}"'))
    return causes


def check_shape(resource: Resource, obj: Any) -> None:
    if not isinstance(obj, dict):
        raise ApiError(400, "the object provided is unrecognized (must be of type Object)")
    if obj.get("apiVersion") != resource.api_version or obj.get("kind") != resource.kind:
        got = f"{obj.get('kind')} ({obj.get('apiVersion')})"
        raise ApiError(400, f"the API version in the data does not match the expected: {resource.kind}, got {got}")
    if not isinstance(obj.get("metadata", {}), dict):
        raise ApiError(400, "json: cannot unmarshal into Go struct field .metadata")
