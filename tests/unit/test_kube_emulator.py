"""The Kubernetes emulator of these tests answers as the API does, where a rollback leans on it.

Whatever steers nothing is also held to on a real cluster, when there is one.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.kube.cluster import JSON_PATCH, MERGE, STRATEGIC, Cluster, Json
from tests.kube.workloads import Namespace


@pytest.fixture
def home(namespace: Namespace) -> str:
    return namespace.path("v1", "configmaps")


def config_map(name: str, labels: dict[str, str] | None = None) -> Json:
    head = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": {"key": "value"}}


def idle(namespace: Namespace, name: str = "web", **more: Any) -> str:
    """A Deployment without pods; its path."""
    return namespace.workload(name, replicas=0, wait=False, **more).path


def test_a_dry_run_answers_and_changes_nothing(cluster: Cluster, namespace: Namespace, home: str) -> None:
    made = cluster.ask("POST", home, config_map("a"), {"dryRun": "All"})
    assert (made.status, bool(made.body["metadata"]["uid"])) == (201, True)
    assert cluster.ask("GET", f"{home}/a").status == 404
    path = idle(namespace)
    before = cluster.get(path)
    step = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "x/y:z"}]
    tried = cluster.ask("PATCH", path, step, {"dryRun": "All"}, JSON_PATCH)
    assert tried.body["spec"]["template"]["spec"]["containers"][0]["image"] == "x/y:z"
    assert cluster.ask("PATCH", f"{path}/scale", {"spec": {"replicas": 7}}, {"dryRun": "All"}, MERGE).status == 200
    assert cluster.ask("DELETE", path, query={"dryRun": "All"}).status == 200
    assert cluster.get(path)["spec"] == before["spec"]
    assert cluster.ask("DELETE", path, query={"dryRun": "some"}).status == 422
    refused = cluster.ask("PATCH", path, {"spec": {"replicas": -1}}, {"dryRun": "All"}, STRATEGIC)
    assert (refused.status, refused.reason, refused.body["details"]["causes"][0]["field"]) == (
        422,
        "Invalid",
        "spec.replicas",
    )


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier!=front", ["b"]),
        ("tier", ["a", "c"]),
        ("!tier", ["b"]),
        ("app in (web, db)", ["a", "b", "c"]),
        ("app notin (web)", ["c"]),
        ("tier notin (front)", ["b", "c"]),
    ],
)
def test_labels_select(cluster: Cluster, home: str, selector: str, found: list[str]) -> None:
    labels = {"a": {"app": "web", "tier": "front"}, "b": {"app": "web"}, "c": {"app": "db", "tier": "back"}}
    for name, one in labels.items():
        cluster.post(home, config_map(name, one))
    names = [one["metadata"]["name"] for one in cluster.items(home, labelSelector=selector)]
    # A real cluster puts its own root certificates into each namespace.
    assert [name for name in names if name in labels] == found


def test_fields_select_and_an_unknown_one_is_refused(cluster: Cluster, home: str) -> None:
    for name in ("a", "b"):
        cluster.post(home, config_map(name))
    assert [one["metadata"]["name"] for one in cluster.items(home, fieldSelector="metadata.name=b")] == ["b"]
    refused = cluster.ask("GET", home, query={"fieldSelector": "spec.colour=red"})
    assert (refused.status, refused.reason) == (400, "BadRequest")


def containers(cluster: Cluster, path: str) -> list[Json]:
    found: list[Json] = cluster.get(path)["spec"]["template"]["spec"]["containers"]
    return found


def test_a_strategic_patch_keeps_the_other_containers(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace)
    two = [{"name": "app", "env": [{"name": "MORE", "value": "1"}]}, {"name": "side", "image": "x/side:1"}]
    cluster.strategic(path, {"spec": {"template": {"spec": {"containers": two}}}})
    found = {one["name"]: one for one in containers(cluster, path)}
    assert found["app"]["image"] == cluster.images.good
    assert {one["name"]: one["value"] for one in found["app"]["env"]} == {"LEVEL": "info", "MORE": "1"}
    gone = [{"name": "side", "$patch": "delete"}, {"name": "app", "env": [{"name": "LEVEL", "$patch": "delete"}]}]
    cluster.strategic(path, {"spec": {"template": {"spec": {"containers": gone}}}})
    assert [(one["name"], one["env"]) for one in containers(cluster, path)] == [
        ("app", [{"name": "MORE", "value": "1"}])
    ]
    template = {"$patch": "replace", "metadata": {"labels": {"app": "web"}}, "spec": {"containers": two[1:]}}
    cluster.strategic(path, {"spec": {"template": template}})
    assert [one["name"] for one in containers(cluster, path)] == ["side"]


def test_a_merge_patch_replaces_lists_and_removes_by_null(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace, metadata={"annotations": {"a": "1", "b": "2"}})
    spec = {"template": {"spec": {"containers": [{"name": "other", "image": "x/y:1"}]}}}
    cluster.merge(path, {"metadata": {"annotations": {"a": None}}, "spec": spec})
    assert [one["name"] for one in containers(cluster, path)] == ["other"]
    notes = cluster.get(path)["metadata"]["annotations"]
    assert ("a" in notes, notes["b"]) == (False, "2")


def test_a_json_patch_is_whole_or_nothing(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace)
    now = cluster.get(path)
    add = {"op": "add", "path": "/spec/paused", "value": True}
    good = {"op": "test", "path": "/spec/template", "value": now["spec"]["template"]}
    wrong = {"op": "test", "path": "/metadata/uid", "value": "another"}
    for steps in ([add, wrong], [wrong, add], [good, add, wrong]):
        refused = cluster.ask("PATCH", path, steps, content_type=JSON_PATCH)
        assert (refused.status, refused.reason) == (422, "Invalid")
        assert "paused" not in cluster.get(path)["spec"]
    assert cluster.json_patch(path, good, add)["spec"]["paused"] is True


def test_a_json_patch_tests_texts_as_they_are_written(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace, metadata={"annotations": {"why": "a<b & é"}})
    step = {"op": "test", "path": "/metadata/annotations/why", "value": "a<b & é"}
    assert cluster.ask("PATCH", path, [step], content_type=JSON_PATCH).status == 422
    raw = json.dumps([step], ensure_ascii=False).replace("<", "\\u003c").replace("&", "\\u0026")
    assert cluster.door("PATCH", path, raw.encode(), JSON_PATCH)[0] == 200


def test_a_put_of_an_older_version_is_a_conflict(cluster: Cluster, home: str) -> None:
    first = cluster.post(home, config_map("a"))
    cluster.put(f"{home}/a", {**first, "data": {"key": "two"}})
    late = cluster.ask("PUT", f"{home}/a", {**first, "data": {"key": "three"}})
    assert (late.status, late.reason) == (409, "Conflict")
    head = {name: value for name, value in first["metadata"].items() if name != "resourceVersion"}
    assert cluster.put(f"{home}/a", {**first, "metadata": head, "data": {"key": "four"}})["data"] == {"key": "four"}
    other = cluster.ask("PUT", f"{home}/a", {**first, "metadata": {**head, "uid": "other"}})
    assert (other.status, other.reason) == (409, "Conflict")
    again = cluster.ask("POST", home, config_map("a"))
    assert (again.status, again.reason) == (409, "AlreadyExists")


def test_a_scale_is_a_view_of_the_replicas(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace, spec={"paused": True})
    zero = cluster.get(f"{path}/scale")
    assert (zero["kind"], zero["spec"], zero["status"]["selector"]) == ("Scale", {}, "app=web")
    cluster.merge(f"{path}/scale", {"spec": {"replicas": 3}})
    assert cluster.get(path)["spec"]["replicas"] == 3
    steps = [
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    ]
    assert cluster.ask("PATCH", f"{path}/scale", steps, content_type=JSON_PATCH).status == 422
    steps[0]["value"] = 3
    cluster.json_patch(f"{path}/scale", *steps)
    assert cluster.get(path)["spec"]["replicas"] == 0


def test_generation_counts_the_spec_and_a_deployments_annotations(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace, spec={"paused": True})
    first = cluster.get(path)["metadata"]["generation"]
    cluster.merge(path, {"metadata": {"labels": {"x": "y"}}})
    assert cluster.get(path)["metadata"]["generation"] == first
    cluster.merge(path, {"metadata": {"annotations": {"x": "y"}}})
    assert cluster.get(path)["metadata"]["generation"] == first + 1
    cluster.merge(path, {"spec": {"minReadySeconds": 1}, "status": {"replicas": 9}})
    now = cluster.get(path)
    assert (now["metadata"]["generation"], now["status"].get("replicas", 0)) == (first + 2, 0)


def test_a_selector_cannot_be_changed(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace)
    refused = cluster.ask("PATCH", path, {"spec": {"selector": {"matchLabels": {"app": "x"}}}}, content_type=STRATEGIC)
    assert (refused.status, refused.reason) == (422, "Invalid")


def test_who_set_a_field_is_kept(cluster: Cluster, namespace: Namespace) -> None:
    path = idle(namespace)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "x/y:2"}]}}}}
    cluster.ok("PATCH", path, patch, {"fieldManager": "someone"}, STRATEGIC)
    entries = {one["manager"]: one for one in cluster.get(path)["metadata"]["managedFields"]}
    spec = entries["someone"]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
    assert spec == {"f:containers": {'k:{"name":"app"}': {"f:image": {}}}}
    others = [one for name, one in entries.items() if name != "someone" and one["operation"] == "Update"]
    assert not any('"f:image":' in json.dumps(one["fieldsV1"]) for one in others)


def test_pages_are_all_of_one_moment(cluster: Cluster, home: str) -> None:
    for name in "abcde":
        cluster.post(home, config_map(name, {"mine": "yes"}))
    page = cluster.get(home, limit=2, labelSelector="mine=yes")
    version, names = page["metadata"]["resourceVersion"], [one["metadata"]["name"] for one in page["items"]]
    cluster.delete(f"{home}/d")
    cluster.post(home, config_map("dd", {"mine": "yes"}))
    while token := page["metadata"].get("continue"):
        page = cluster.ok("GET", home, query={"limit": 2, "labelSelector": "mine=yes", "continue": token})
        names += [one["metadata"]["name"] for one in page["items"]]
        assert page["metadata"]["resourceVersion"] == version
    assert names == list("abcde")
    assert "kind" not in page["items"][0]
    assert cluster.ask("GET", home, query={"limit": 2, "continue": "nonsense"}).status == 400


@pytest.mark.needs("kube-emulator")
def test_a_page_of_a_forgotten_moment_is_gone(cluster: Cluster, home: str) -> None:
    for name in "abc":
        cluster.post(home, config_map(name))
    token = cluster.get(home, limit=1)["metadata"]["continue"]
    cluster.steer.compact()
    gone = cluster.ask("GET", home, query={"limit": 1, "continue": token})
    assert (gone.status, gone.reason) == (410, "Expired")


def test_a_watch_goes_on_from_a_version_and_sees_only_its_selection(cluster: Cluster, home: str) -> None:
    version = cluster.get(home)["metadata"]["resourceVersion"]
    cluster.post(home, config_map("other"))
    cluster.post(home, config_map("a", {"mine": "no"}))
    with cluster.watch(home, resourceVersion=version, labelSelector="mine=yes") as events:
        cluster.merge(f"{home}/a", {"metadata": {"labels": {"mine": "yes"}}})
        cluster.merge(f"{home}/a", {"data": {"key": "new"}})
        cluster.merge(f"{home}/a", {"metadata": {"labels": {"mine": "no"}}})
        cluster.merge(f"{home}/a", {"metadata": {"labels": {"mine": "yes"}}})
        cluster.delete(f"{home}/a")
        seen = list(itertools.islice(events, 5))
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    assert seen[0]["object"]["kind"] == "ConfigMap"


@pytest.mark.needs("kube-emulator")
def test_a_watch_has_bookmarks_ends_and_is_gone_after_a_compaction(cluster: Cluster, home: str) -> None:
    version = cluster.get(home)["metadata"]["resourceVersion"]
    with cluster.watch(home, resourceVersion=version, allowWatchBookmarks="true") as events:
        cluster.post(home, config_map("a"))
        assert next(events)["type"] == "ADDED"
        cluster.steer.bookmark()
        mark = next(events)
        assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
        cluster.steer.end_watches()
        assert list(events) == []
    cluster.steer.compact()
    with cluster.watch(home, resourceVersion=version) as events:
        (gone,) = list(events)
    assert (gone["type"], gone["object"]["code"], gone["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_delete_may_name_the_uid(cluster: Cluster, home: str) -> None:
    uid = cluster.post(home, config_map("a"))["metadata"]["uid"]
    wrong = cluster.ask("DELETE", f"{home}/a", {"preconditions": {"uid": "another"}})
    assert (wrong.status, wrong.reason) == (409, "Conflict")
    assert cluster.delete(f"{home}/a", {"preconditions": {"uid": uid}})["status"] == "Success"


@pytest.mark.needs("kube-emulator")
def test_what_is_denied_is_refused_and_the_review_says_so(cluster: Cluster, namespace: Namespace) -> None:
    def may(verb: str, resource: str) -> bool:
        asked = {"namespace": namespace.name, "verb": verb, "group": "apps", "resource": resource}
        head = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(cluster.post(path, {**head, "spec": {"resourceAttributes": asked}})["status"]["allowed"])

    path = idle(namespace)
    assert may("patch", "deployments")
    cluster.steer.deny("patch", "deployments", namespace.name)
    assert not may("patch", "deployments")
    assert may("patch", "statefulsets")
    refused = cluster.ask("PATCH", path, {}, content_type=STRATEGIC)
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.message == (
        f'deployments.apps "web" is forbidden: User "warroom-tester" cannot patch resource "deployments" in API group '
        f'"apps" in the namespace "{namespace.name}"'
    )


@pytest.mark.needs("kube-emulator")
def test_the_line_fails_as_steered(cluster: Cluster, home: str) -> None:
    cluster.steer.fail("configmaps", 503, times=1)
    assert [cluster.ask("GET", home).status for _ in range(2)] == [503, 200]
    cluster.steer.tokens("another")
    assert (cluster.ask("GET", home).status, cluster.ask("GET", home).reason) == (401, "Unauthorized")
    cluster.steer.reset()
    before = cluster.get(home)["metadata"]["resourceVersion"]
    cluster.steer.restart(down_s=0.05)
    with cluster.watch(home, resourceVersion=before) as events:
        assert next(events)["object"]["code"] == 410
    cluster.steer.forget()
    cluster.get(home, limit=5)
    (seen,) = cluster.steer.requests()
    assert (seen.method, seen.query, seen.status, seen.user) == ("GET", {"limit": "5"}, 200, "warroom-tester")
    assert seen.sent > 0


def test_what_is_not_there_is_said_as_the_server_does(cluster: Cluster, home: str) -> None:
    gone = cluster.ask("GET", f"{home}/none")
    assert (gone.status, gone.reason, gone.message) == (404, "NotFound", 'configmaps "none" not found')
    assert cluster.ask("GET", "/apis/none/v1/things").status == 404
    assert cluster.ask("POST", home, {"apiVersion": "v1", "kind": "Secret"}).status == 400
    assert cluster.get("/version")["gitVersion"].startswith("v")
