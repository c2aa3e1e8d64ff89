"""Manifests and waiting for the workloads that tests make."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.kube.cluster import WAIT_S, Cluster, Json, KubeProblem, wait_for

Kind = Literal["Deployment", "StatefulSet", "DaemonSet", "CronJob"]

PLURALS: dict[str, str] = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "CronJob": "cronjobs",
}


def pod_template(name: str, image: str) -> Json:
    """One container, ``app``; its readiness is asked for, or a bad release would count as ready."""
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "app",
                    "image": image,
                    "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                    "env": [{"name": "LEVEL", "value": "info"}],
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
                }
            ],
        },
    }


def manifest(kind: Kind, name: str, image: str, replicas: int) -> Json:
    """Without its apiVersion, which is the cluster's."""
    template = pod_template(name, image)
    head: Json = {"kind": kind, "metadata": {"name": name, "labels": {"app": name}}}
    if kind == "CronJob":
        template["spec"]["restartPolicy"] = "Never"
        template["spec"]["containers"][0].pop("readinessProbe")
        spec: Json = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template}}}
        return {**head, "spec": spec}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    if kind == "Deployment":
        spec |= {"replicas": replicas, "progressDeadlineSeconds": 60, "revisionHistoryLimit": 10}
    elif kind == "StatefulSet":
        spec |= {"replicas": replicas, "serviceName": name}
    return {**head, "spec": spec}


def merged(into: Json, more: Mapping[str, Any]) -> Json:
    """Maps are merged, everything else is replaced."""
    result = copy.deepcopy(into)
    for key, value in more.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result


@dataclass(frozen=True)
class Workload:
    cluster: Cluster
    namespace: str
    kind: Kind
    name: str

    @property
    def version(self) -> str:
        """Its apiVersion."""
        plural = PLURALS[self.kind]
        return self.cluster.version("batch/v1" if self.kind == "CronJob" else "apps/v1", plural)

    @property
    def path(self) -> str:
        return f"/apis/{self.version}/namespaces/{self.namespace}/{PLURALS[self.kind]}/{self.name}"

    def get(self) -> Json:
        return self.cluster.get(self.path)

    @property
    def uid(self) -> str:
        return str(self.get()["metadata"]["uid"])

    @property
    def image(self) -> str:
        spec = self.get()["spec"]
        spec = spec["jobTemplate"]["spec"] if self.kind == "CronJob" else spec
        return str(spec["template"]["spec"]["containers"][0]["image"])

    @property
    def revision(self) -> int:
        """A Deployment's, of its annotation; 0 before it has one."""
        notes = self.get()["metadata"].get("annotations", {})
        return int(notes.get("deployment.kubernetes.io/revision", 0))

    def set_image(self, image: str, cause: str = "") -> None:
        """As `kubectl set image` does, with a change cause where one is given."""
        spec = {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}
        head = {"metadata": {"annotations": {"kubernetes.io/change-cause": cause}}} if cause else {}
        self.cluster.strategic(self.path, {**head, "spec": spec})

    def scale(self, replicas: int) -> None:
        self.cluster.merge(f"{self.path}/scale", {"spec": {"replicas": replicas}})

    def patch(self, body: Json) -> Json:
        """A strategic merge patch."""
        return self.cluster.strategic(self.path, body)

    def pods(self) -> list[Json]:
        """All that its selector finds, terminating ones too."""
        return self.cluster.items(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=f"app={self.name}")

    def replica_sets(self) -> list[Json]:
        """By revision, oldest first."""
        found = self.cluster.items(
            f"/apis/apps/v1/namespaces/{self.namespace}/replicasets", labelSelector=f"app={self.name}"
        )
        return sorted(found, key=lambda one: int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))

    def rolled_out(self) -> bool:
        """kubectl's conditions, and no pod of before left."""
        if self.kind == "CronJob":
            return True
        now = self.get()
        spec, status, generation = now["spec"], now.get("status", {}), now["metadata"]["generation"]
        if status.get("observedGeneration", 0) < generation:
            return False
        if self.kind == "DaemonSet":
            wanted = status.get("desiredNumberScheduled", 0)
            return bool(status.get("updatedNumberScheduled", 0) == wanted == status.get("numberAvailable", 0))
        wanted = spec["replicas"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
        settled = self.kind == "Deployment" or status.get("currentRevision") == status.get("updateRevision")
        return settled and all(count == wanted for count in counts) and len(self.pods()) == wanted

    def wait_rolled_out(self, seconds: float = WAIT_S) -> None:
        wait_for(self.rolled_out, f"the rollout of {self.kind} {self.name}", seconds)

    def wait_image(self, image: str, seconds: float = WAIT_S) -> None:
        """Until a pod of this image is there, in whatever state."""
        wait_for(
            lambda: any(pod["spec"]["containers"][0]["image"] == image for pod in self.pods()),
            f"a pod of {image}",
            seconds,
        )

    def wait_seen(self, seconds: float = WAIT_S) -> None:
        """Until its controller says that it has seen its newest template: pods may come before it does."""

        def seen() -> bool:
            now = self.get()
            return int(now.get("status", {}).get("observedGeneration", 0)) >= int(now["metadata"]["generation"])

        wait_for(seen, f"what its controller says of {self.kind} {self.name}", seconds)

    def delete(self) -> None:
        self.cluster.delete(self.path, propagationPolicy="Background")


@dataclass(frozen=True)
class Namespace:
    """Fresh for each test, removed after it."""

    cluster: Cluster
    name: str

    def path(self, group: str, plural: str, name: str = "") -> str:
        """("v1", "pods"), ("apps/v1", "replicasets"); in an older version where the cluster serves only that."""
        group = self.cluster.version(group, plural)
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        return f"{root}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def workload(
        self,
        name: str = "web",
        kind: Kind = "Deployment",
        image: str = "",
        replicas: int = 2,
        *,
        wait: bool = True,
        **more: Any,
    ) -> Workload:
        """``more`` is merged into the manifest: ``spec={"paused": True}``, ``metadata={…}``."""
        body = merged(manifest(kind, name, image or self.cluster.images.good, replicas), more)
        made = Workload(self.cluster, self.name, kind, name)
        self.cluster.post(made.path.rpartition("/")[0], {"apiVersion": made.version, **body})
        if wait:
            made.wait_rolled_out()
        return made

    def service(self, name: str = "web") -> Json:
        """Selects the workload of this name."""
        spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
        return self.create("v1", "services", "Service", name, spec=spec)

    def create(self, group: str, plural: str, kind: str, name: str, **more: Any) -> Json:
        head = {"apiVersion": self.cluster.version(group, plural), "kind": kind, "metadata": {"name": name}}
        return self.cluster.post(self.path(group, plural), merged(head, more))

    def autoscaler(self, name: str = "web", least: int = 1, most: int = 5, kind: Kind = "Deployment") -> Json:
        """By CPU at 50 %."""
        if kind == "CronJob":
            raise KubeProblem("a CronJob has no scale")
        metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": metric}],
        }
        return self.create("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", name, spec=spec)
