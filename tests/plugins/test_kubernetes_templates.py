"""Pod templates and revisions as plain data: what is the same, what differs, and which one is meant."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from warroom.api import BadInput, WarroomError
from warroom_kubernetes.objects.fields import selector_of
from warroom_kubernetes.objects.images import digest_in, image_of, pinned, tag_of
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.moments import instant
from warroom_kubernetes.objects.revisions import find, named, of_controller, of_deployment
from warroom_kubernetes.objects.templates import changes, plain, same, settings
from warroom_kubernetes.workload.configs import Config, Memory, Named, compared, differing, hashed, references

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def a_template(image: str = "shop/web:v1", **more: Any) -> dict[str, Any]:
    """``more`` of its container."""
    container = {"name": "app", "image": image, "env": [{"name": "LEVEL", "value": "info"}], **more}
    return {"metadata": {"labels": {"app": "web"}, "creationTimestamp": None}, "spec": {"containers": [container]}}


def stored(template: dict[str, Any], hash_: str = "abc") -> dict[str, Any]:
    """As a ReplicaSet has it."""
    made = copy.deepcopy(template)
    made["metadata"]["labels"]["pod-template-hash"] = hash_
    return made


def a_replica_set(number: str, hash_: str, template: dict[str, Any], made: str = "", **notes: str) -> dict[str, Any]:
    head = {
        "name": f"web-{hash_}",
        "uid": f"uid-{hash_}",
        "labels": {"app": "web", "pod-template-hash": hash_},
        "annotations": {"deployment.kubernetes.io/revision": number, **notes},
        "creationTimestamp": made or f"2026-01-01T00:00:0{number or 0}Z",
        "ownerReferences": [{"uid": "uid-web", "controller": True}],
    }
    return {"metadata": head, "spec": {"replicas": 0, "template": stored(template, hash_)}}


def a_deployment(template: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "web", "uid": "uid-web"}, "spec": {"template": template}}


def a_pod(hash_: str, image_id: str, *, count: int = 0, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"ownerReferences": [{"uid": f"uid-{hash_}", "controller": True}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "app", "imageID": image_id, "restartCount": count}],
        },
    }


# ---- templates


def test_what_the_cluster_adds_is_no_difference() -> None:
    one = a_template()
    assert same(one, stored(one))
    assert same(one, {**one, "$patch": "replace"})
    assert plain(stored(one))["metadata"]["labels"] == {"app": "web"}
    assert not same(one, a_template("shop/web:v2"))
    assert "pod-template-hash" in stored(one)["metadata"]["labels"], "what is given is left as it is"


def test_a_secret_value_is_in_no_change() -> None:
    canary = "Canary-of-a-template-3f9a"
    older = a_template(command=["run", "--key", "a"], env=[{"name": "TOKEN", "value": "old"}])
    probe = {"httpGet": {"path": "/", "port": 1, "httpHeaders": [{"name": "K", "value": canary}]}}
    newer = a_template(
        command=["run", "--key", canary],
        args=[canary],
        env=[{"name": "TOKEN", "value": canary}],
        livenessProbe=probe,
        lifecycle={"preStop": {"exec": {"command": [canary]}}},
    )
    newer["metadata"]["annotations"] = {"note": canary}
    found = changes(older, newer)
    assert canary not in str(found)
    assert [one.words for one in found] == [
        "app: changed TOKEN",
        "app: the liveness probe is new",
        "app: its command changed",
        "app: its args changed",
        "app: lifecycle changed",
        "annotations of the pods: added note",
    ]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ({}, {"image": "shop/web:v2"}, "app: the image shop/web:v1 → shop/web:v2"),
        ({"env": []}, {"env": [{"name": "A", "value": "x"}]}, "app: added A"),
        (
            {"env": [{"name": "A", "value": "x"}]},
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}]},
            "app: changed A: from a value, now from Secret db, key url",
        ),
        (
            {},
            {"envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "X_"}]},
            "app: added all of ConfigMap settings, as X_…",
        ),
        (
            {"resources": {"limits": {"cpu": "1"}}},
            {"resources": {"limits": {"cpu": "2"}}},
            "app: is limited to 2 cpu, before 1",
        ),
        (
            {"readinessProbe": {"httpGet": {"path": "/up", "port": 80}, "timeoutSeconds": 1}},
            {"readinessProbe": {"tcpSocket": {"port": 80}, "timeoutSeconds": 3}},
            "app: readiness probe: timeoutSeconds 1 → 3 and GET :80/up → tcp :80",
        ),
        (
            {"volumeMounts": [{"name": "a", "mountPath": "/a"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/a"}]},
            "app: what is mounted at /a changed",
        ),
        ({"imagePullPolicy": "Always"}, {"imagePullPolicy": "Never"}, "app: imagePullPolicy: Always → Never"),
    ],
    ids=["image", "env", "env-source", "env-from", "resources", "probe", "mount", "shown"],
)
def test_each_kind_of_change(was: dict[str, Any], now: dict[str, Any], words: str) -> None:
    assert [one.words for one in changes(a_template(**was), a_template(**now))] == [words]
    assert changes(a_template(**now), stored(a_template(**now))) == []


def test_containers_and_volumes_that_come_and_go() -> None:
    older, newer = a_template(), a_template()
    older["spec"]["initContainers"] = [{"name": "migrate", "image": "shop/migrate:v1"}]
    newer["spec"]["containers"].append({"name": "sidecar", "image": "proxy:1"})
    newer["spec"]["volumes"] = [{"name": "keys", "secret": {"secretName": "tls"}}]
    newer["spec"]["serviceAccountName"] = "web"
    assert [one.words for one in changes(older, newer)] == [
        "the container sidecar came with it",
        "the container migrate is gone",
        "volume added keys: Secret tls",
        "serviceAccountName: none → web",
    ]


def test_literal_values_are_told_to_the_redactor() -> None:
    template = a_template(env=[{"name": "A", "value": "x"}, {"name": "B", "valueFrom": {}}, {"name": "C", "value": ""}])
    assert list(settings(template)) == [{"A": "x"}]


# ---- images


@pytest.mark.parametrize(
    ("reference", "tag", "digest"),
    [
        ("web", "", None),
        ("registry:5000/shop/web", "", None),
        ("registry:5000/shop/web:v1", "v1", None),
        (f"shop/web:v1@{ONE}", "v1", ONE),
        (f"shop/web@{ONE}", "", ONE),
        ("shop/web@sha256:short", "", None),
    ],
)
def test_a_reference_is_taken_apart(reference: str, tag: str, digest: str | None) -> None:
    assert (tag_of(reference), pinned(reference)) == (tag, digest)


@pytest.mark.parametrize("told", [f"shop/web@{ONE}", f"docker-pullable://shop/web@{ONE}", ONE, f"docker://{ONE}"])
def test_a_pods_image_id_says_the_digest(told: str) -> None:
    assert digest_in(told) == ONE
    assert digest_in("") is None
    assert digest_in(None) is None


def test_pods_of_one_tag_with_different_images_have_no_one_digest() -> None:
    container = {"name": "app", "image": "shop/web:v1"}
    moved = image_of(container, [a_pod("a", f"shop/web@{ONE}"), a_pod("a", f"shop/web@{TWO}")])
    assert (moved.digest, moved.digests) == (None, (ONE, TWO))
    assert image_of(container, [a_pod("a", f"shop/web@{ONE}"), a_pod("a", "")]).digest == ONE
    assert image_of({"name": "app", "image": f"shop/web@{TWO}"}, []).digest == TWO


# ---- revisions


def test_a_deployments_revisions() -> None:
    one, two = a_template(), a_template("shop/web:v2")
    foreign = a_replica_set("9", "zzz", two)
    foreign["metadata"]["ownerReferences"] = [{"uid": "uid-other", "controller": True}]
    sets = [a_replica_set("1", "aaa", one), a_replica_set("2", "bbb", two), foreign]
    pods = [a_pod("bbb", f"shop/web@{TWO}", count=4, ready=False), a_pod("zzz", f"shop/web@{ONE}")]
    newest, oldest = of_deployment(a_deployment(two), sets, pods)
    assert (newest.number, newest.hash, newest.current, newest.identity) == (2, "bbb", True, "template:bbb")
    assert (newest.ready, newest.restarts, newest.image(None).digest) == (0, 4, TWO)
    assert (oldest.number, oldest.current, oldest.pods) == (1, False, ())
    with pytest.raises(WarroomError, match="has no container sidecar"):
        newest.image("sidecar")


def test_a_template_that_no_replica_set_has_yet_is_no_revision() -> None:
    """A paused Deployment's, or one whose controller has not come to it."""
    found = of_deployment(a_deployment(a_template("shop/web:v3")), [a_replica_set("1", "aaa", a_template())], [])
    assert [one.current for one in found] == [False]


def test_of_two_with_one_template_the_older_is_the_controllers() -> None:
    sets = [a_replica_set("2", "bbb", a_template()), a_replica_set("1", "aaa", a_template())]
    assert [(one.hash, one.current) for one in of_deployment(a_deployment(a_template()), sets, [])] == [
        ("bbb", False),
        ("aaa", True),
    ]


def test_a_replica_set_without_a_number_can_be_named_by_its_hash() -> None:
    (found,) = named(of_deployment(a_deployment(a_template()), [a_replica_set("", "aaa", a_template())], []), None)
    assert found.number == 0
    assert find([found], "aaa") is found
    with pytest.raises(BadInput):
        find([found], "0")


def test_stateful_sets_say_themselves_what_is_new() -> None:
    """Their own word counts as soon as they have seen the change; what is stored has marks of its own."""

    def revision(name: str, number: int, template: dict[str, Any]) -> dict[str, Any]:
        head = {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"uid": "uid-web", "controller": True}]}
        data = {"spec": {"template": {**template, "$patch": "replace"}}}
        return {"metadata": head, "revision": number, "data": data}

    one, two = a_template(), a_template("shop/web:v2")
    workload = a_deployment(two)
    workload["metadata"]["generation"] = 2
    workload["status"] = {"observedGeneration": 1, "updateRevision": "web-aaa"}
    kept = [revision("web-aaa", 1, one), revision("web-bbb", 2, two)]
    pod = a_pod("x", f"shop/web@{ONE}")
    pod["metadata"] = {
        "labels": {"controller-revision-hash": "web-aaa"},
        "ownerReferences": [{"uid": "uid-web", "controller": True}],
    }
    found = of_controller(workload, kept, [pod])
    assert [(one.hash, one.current, len(one.pods)) for one in found] == [("bbb", True, 0), ("aaa", False, 1)]
    assert "$patch" not in found[0].template
    workload["status"] = {"observedGeneration": 2, "updateRevision": "web-aaa"}
    assert [one.hash for one in of_controller(workload, kept, []) if one.current] == ["aaa"]


def three() -> list[Any]:
    """v1, v2, and v2 again with another setting."""
    other = a_template("shop/web:v2", env=[])
    other["metadata"]["annotations"] = {"org.opencontainers.image.revision": "0123456789abcdef"}
    sets = [
        a_replica_set("4", "aaa1", a_template(), **{"deployment.kubernetes.io/revision-history": "1"}),
        a_replica_set("2", "bbb2", a_template("shop/web:v2")),
        a_replica_set("3", "ccc3", other, **{"kubernetes.io/change-cause": "Deploy v2 again"}),
    ]
    return named(of_deployment(a_deployment(a_template()), sets, [a_pod("aaa1", f"shop/web@{ONE}")]), None)


def test_every_revision_has_a_version_of_its_own() -> None:
    assert [one.version for one in three()] == ["v1", "v2-ccc3", "v2-bbb2"]


@pytest.mark.parametrize(
    ("image", "labels", "cause", "version"),
    [
        ("shop/web", {}, "", "aaa"),
        ("shop/web:latest", {}, "", "latest-aaa"),
        ("shop/web:latest", {"app.kubernetes.io/version": "1.2.3"}, "", "1.2.3"),
        ("shop/web:latest", {}, "v7", "v7"),
        ("shop/web:latest", {}, "--detach", "latest-aaa"),
        ("shop/web:latest", {}, "kubectl apply --record", "latest-aaa"),
        (f"shop/web@{TWO}", {}, "", "222222222222"),
        (f"shop/web:v3@{TWO}", {}, "v7", "v3"),
    ],
)
def test_what_has_no_tag_is_called(image: str, labels: dict[str, str], cause: str, version: str) -> None:
    template = a_template(image)
    template["metadata"]["labels"] |= labels
    kept = [a_replica_set("1", "aaa", template, **{"kubernetes.io/change-cause": cause})]
    (found,) = named(of_deployment(a_deployment(template), kept, []), None)
    assert found.version == version


@pytest.mark.parametrize(
    ("text", "hash_"),
    [
        ("v1", "aaa1"),
        ("4", "aaa1"),
        ("template:aaa1", "aaa1"),
        ("web-bbb2", "bbb2"),
        ("uid-bbb2", "bbb2"),
        ("v2-bbb2", "bbb2"),
        ("Deploy v2 again", "ccc3"),
        ("0123456", "ccc3"),
        (ONE, "aaa1"),
        ("1111111", "aaa1"),
        ("shop/web:v1", "aaa1"),
    ],
)
def test_a_revision_is_found_by(text: str, hash_: str) -> None:
    assert find(three(), text).hash == hash_


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1", "is revision 4 since"),
        ("9", "was never there"),
        ("", "was never there"),
        ("shop/web:v2", "could be any of 2"),
        ("v2", "could be any of 2"),
        ("sha256:" + "9" * 64, "was never there"),
        ("--detach", "There are: 4 \\(v1\\), 3 \\(v2-ccc3\\) and 2 \\(v2-bbb2\\)"),
    ],
)
def test_a_revision_that_is_not_there_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        find(three(), text)


def test_a_selector_as_the_server_takes_it() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "NotIn", "values": ["c"]},
        {"key": "seen", "operator": "Exists"},
        {"key": "gone", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    assert selector_of({"spec": {"selector": selector}}) == "app=web,tier in (a,b),old notin (c),seen,!gone"


# ---- ConfigMaps and Secrets


def test_what_a_template_names() -> None:
    template = a_template(
        envFrom=[{"secretRef": {"name": "db", "optional": True}}],
        env=[
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "b"}}},
        ],
    )
    template["spec"]["volumes"] = [
        {"name": "keys", "secret": {"secretName": "tls", "optional": True}},
        {"name": "more", "secret": {"secretName": "db", "optional": True}},
        {"name": "all", "projected": {"sources": [{"configMap": {"name": "ca"}}]}},
    ]
    template["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    assert references(template) == {
        Named("Secret", "db"): True,
        Named("ConfigMap", "settings"): True,
        Named("Secret", "tls"): False,
        Named("ConfigMap", "ca"): True,
        Named("Secret", "registry"): False,
    }


def test_hashes_tell_what_differs_and_nothing_else() -> None:
    one = hashed({"data": {"a": "Canary-1", "b": "x"}})
    other = hashed({"data": {"a": "Canary-2", "c": "x"}})
    assert differing(one, other) == ["changed a", "removed b", "added c"]
    assert "Canary" not in str(one)
    assert differing(one, hashed({"data": {"a": "Canary-1", "b": "x"}})) == []


SETTINGS, LOGIN = Named("ConfigMap", "settings"), Named("Secret", "login")
THEN, LATER = instant("2026-01-01T10:00:00Z"), instant("2026-01-01T11:00:00Z")


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Config(False), "ConfigMap settings is not there any more: its pods can't start without it"),
        (Config(None, why="no"), "whether ConfigMap settings differs from then can't be told: no"),
        (Config(True), "whether ConfigMap settings differs from then can't be told: nobody looked while that ran"),
        (
            Config(True, changed_at=LATER, changed_by="ci"),
            "ConfigMap settings was written by ci at 2026-01-01 11:00:00 UTC, after that ended: it stays so",
        ),
        (
            Config(True, made_at=THEN, fixed=True),
            "ConfigMap settings is the same as when that ran: it is immutable, and was made before that ended",
        ),
        (
            Config(True, made_at=LATER, changed_at=LATER, fixed=True),
            "ConfigMap settings was written at 2026-01-01 11:00:00 UTC, after that ended: it stays so",
        ),
        (
            Config(True, changed_at=THEN),
            "ConfigMap settings was last written at 2026-01-01 10:00:00 UTC, before that ended; what was taken out of "
            "it since leaves no time",
        ),
    ],
    ids=["gone", "unread", "unknown", "later", "immutable", "made-anew", "earlier"],
)
def test_without_a_hash_of_then_its_time_is_told(now: Config, words: str) -> None:
    assert compared({SETTINGS: True}, {SETTINGS: now}, None, THEN) == ([words], [])


def test_with_a_hash_of_then_it_is_known() -> None:
    assert THEN is not None
    then = (THEN, {SETTINGS: hashed({"data": {"a": "1"}}), LOGIN: hashed({"data": {"p": "1"}})})
    now = {SETTINGS: hashed({"data": {"a": "2"}}), LOGIN: hashed({"data": {"p": "2"}})}
    words, keys = compared({SETTINGS: True, LOGIN: True}, now, then, None)
    assert words == [
        "ConfigMap settings differs from 10:00 UTC, when that ran: changed a",
        "Secret login differs from 10:00 UTC, when that ran, by hash",
    ]
    assert keys == ["changed settings.a", "changed Secret login"]


def test_the_memory_of_hashes_is_bounded_and_forgets_the_oldest() -> None:
    assert THEN is not None
    known = Memory()
    for number in range(300):
        known.keep("uid", str(number), THEN, {SETTINGS: Config(True), LOGIN: Config(None)})
    assert known.of("uid", "99") is None
    assert known.of("uid", "100") == (THEN, {SETTINGS: Config(True)})


# ---- who wrote it


def test_managed_fields_say_who_set_the_template() -> None:
    def entry(manager: str, at: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
        return {"manager": manager, "operation": "Update", "time": at, "fieldsV1": fields, **more}

    image: dict[str, Any] = {
        "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}}}}}}
    }
    thing = {
        "metadata": {
            "managedFields": [
                entry("kubectl-set", "2026-01-01T10:00:00Z", image),
                entry("argocd-controller", "2026-01-01T11:00:00Z", image),
                entry("kube-controller-manager", "2026-01-01T12:00:00Z", {"f:status": {}}, subresource="status"),
                entry("autoscaler", "2026-01-01T13:00:00Z", {"f:spec": {"f:replicas": {}}}, subresource="scale"),
                "nonsense",
            ]
        }
    }
    newest, oldest = writers(thing)
    assert (newest.manager, oldest.manager) == ("argocd-controller", "kubectl-set")
    assert newest.fields == ("spec.containers[app].image",)
    assert newest.words == "argocd-controller, 2026-01-01 11:00:00 UTC"
    assert [one.manager for one in writers(thing, ("spec", "replicas"))] == ["autoscaler"]
    assert writers({"metadata": {}}) == []
