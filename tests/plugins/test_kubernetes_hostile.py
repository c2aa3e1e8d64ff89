"""What an attacker, or bad luck, makes of a cluster and of a kubeconfig: nothing hangs, grows, or is obeyed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from tests.plugins.test_kubernetes_config import kubeconfig, reached, refused, written
from warroom.api import BadInput, Unreachable
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.patching import put
from warroom_kubernetes.objects.controllers import controllers
from warroom_kubernetes.objects.revisions import named, of_deployment
from warroom_kubernetes.objects.stuck import troubles
from warroom_kubernetes.objects.templates import changes

LAUGHS = "x0: &a0 [1, 1]\n" + "".join(f"x{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "x0: &a0 {k: v}\n" + "".join(f"x{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


class TestKubeconfig:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (LAUGHS, "its aliases stand for more than"),
            (MERGES, "its aliases stand for more than"),
            ("x:\n- &a [*a]\n", "config:2: it holds itself"),
            ("x: &a {y: *a}\n", "config:1: it holds itself"),
            (f"x: {':'.join(['1'] * 100_000)}\n", "config:1: a number has at most"),
            ("x: !!set {a, b}\n", "config:1: no YAML that JSON has too"),
            ("x: !!binary aGVsbG8=\n", "config:1: no YAML that JSON has too"),
            ('x: "\\ud800"\n', "config:1: half of a character"),
            (
                'contexts: [{name: "a\\e[2J", context: {cluster: c}}]\n',
                "config:1: contexts: a name that can be printed",
            ),
            ('contexts: [{name: "a\\nb", context: {cluster: c}}]\n', "config:1: contexts: a name that can be printed"),
            ('contexts: [{name: "a\\u202eb", context: {cluster: c}}]\n', "contexts: a name that can be printed"),
        ],
        ids=["laughs", "merges", "cycle", "map-cycle", "base-60", "set", "binary", "half", "escape", "newline", "bidi"],
    )
    def test_what_grows_without_end_or_is_no_json_is_told_at_once(self, tmp_path: Path, text: str, said: str) -> None:
        problem = refused(written(tmp_path, text))
        assert said in problem.cause
        assert all(len(words) < 500 for words in (problem.title, problem.cause, problem.hint))

    def test_an_alias_is_no_crime_and_a_time_is_its_words(self, tmp_path: Path) -> None:
        text = (
            "contexts: [{name: a, context: &c {cluster: c, user: u}}, {name: b, context: *c}]\n"
            "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
            "users: [{name: u, user: {token: 2026-01-01}}]\ncurrent-context: b\n"
        )
        assert reached(written(tmp_path, text)).user.token == "2026-01-01"

    @pytest.mark.parametrize("key", ["itself", "certificate-authority", "tokenFile"])
    async def test_a_pipe_keeps_nobody(self, tmp_path: Path, key: str) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        if key == "itself":
            assert "a pipe" in refused(pipe).cause
        elif key == "certificate-authority":
            assert "a pipe" in refused(written(tmp_path, kubeconfig(cluster={key: str(pipe)}))).cause
        else:
            from warroom_kubernetes.reach.login import _from_file

            with pytest.raises(Exception, match="a pipe"):
                _from_file(pipe)


@pytest.mark.needs("kube-emulator")
@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_server_that_fails_leaves_open_what_became_of_a_change(
    namespace: Namespace, cluster: Cluster, status: int
) -> None:
    """etcd may time out and keep it all the same, and a proxy may give up while the cluster goes on."""
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        facts, preview = await op.planned("undo", workload="web")
        cluster.steer.fail(f"{namespace.name}/deployments/web", status, method="PATCH")
        with pytest.raises(Unreachable, match="leaves open whether the change was made"):
            await op.executed(preview.calls)
        assert (await op.look("undo", facts, workload="web")).verdict == "not-begun"


def test_an_image_s_tag_that_is_none_names_no_release() -> None:
    """The API takes any text as an image: it would stand in each line about that release."""
    head = {"name": "web-abc", "uid": "r", "labels": {"pod-template-hash": "abc"}}
    owner = {"ownerReferences": [{"uid": "d", "controller": True}]}
    template = {"spec": {"containers": [{"name": "app", "image": "app:v1\x1b[2J $(id)" + "A" * 100_000}]}}
    sets = [{"metadata": {**head, **owner}, "spec": {"template": template}}]
    (one,) = named(
        of_deployment({"metadata": {"name": "web", "uid": "d"}, "spec": {"template": template}}, sets, []), "app"
    )
    assert one.version == "abc"


LONG = "$(id) \x1b[2J " + "L" * 60_000


def _long(tail: str) -> dict[str, Any]:
    words = LONG + tail
    probe = {"httpGet": {"path": words, "port": 1}}
    source = {"valueFrom": {"configMapKeyRef": {"name": words, "key": words}}}
    app = {
        "name": "app",
        "image": words,
        "workingDir": words,
        "command": [words],
        "readinessProbe": probe,
        "env": [{"name": "A", "value": words}, {"name": words, "value": "1"}, {"name": "B", **source}],
        "volumeMounts": [{"name": "v", "mountPath": words}],
        "resources": {"limits": {"x/y": words}},
    }
    spec = {"containers": [app], "schedulerName": words, "volumes": [{"name": "v", "hostPath": {"path": words}}]}
    return {"metadata": {"annotations": {"note": words}, "labels": {words: "1"}}, "spec": spec}


def test_what_is_told_of_two_templates_is_short_however_long_they_are() -> None:
    told = changes(_long("one"), _long("two"))
    assert all(len(one.words) <= 600 and len(one.key) <= 160 for one in told)
    image = next(one.words for one in told if one.what == "image")
    assert "Lone →" in image, "the end is where they differ"
    assert image.endswith("Ltwo")


def test_of_very_many_changes_the_first_are_told() -> None:
    many = {"spec": {"containers": [{"name": "app", "env": [{"name": f"E{n}", "value": "1"} for n in range(5000)]}]}}
    told = changes({"spec": {"containers": [{"name": "app"}]}}, many)
    assert len(told) == 101
    assert told[-1].words == "4,900 more changes"


def test_what_keeps_a_rollout_is_told_shortly() -> None:
    words = LONG * 2
    bad = {"name": "app", "image": words, "restartCount": 1, "lastState": {"terminated": {"reason": words}}}
    statuses = [
        {**bad, "state": {"waiting": {"reason": reason, "message": words}}}
        for reason in ("ImagePullBackOff", "CrashLoopBackOff", "CreateContainerConfigError")
    ]
    head = {"name": "web-1", "uid": "p", "deletionTimestamp": None}
    pods: list[dict[str, Any]] = [
        {"metadata": head, "status": {"phase": "Pending", "containerStatuses": statuses}},
        {"metadata": head, "status": {"phase": "Failed", "reason": words, "message": words}},
        {"metadata": {**head, "deletionTimestamp": "2020-01-01T00:00:00Z", "finalizers": [words]}},
    ]
    failure = [{"type": "ReplicaFailure", "status": "True", "message": words}]
    found = troubles({"metadata": {"name": "web"}, "status": {"conditions": failure}}, pods, (), datetime.now(UTC))
    assert [one.why for one in found] == ["quota", "image", "crash", "config", "crash", "terminating"]
    assert all(len(one.words) <= 600 for one in found)


def test_who_puts_it_back_is_told_shortly() -> None:
    notes = {
        **dict.fromkeys(("argocd.argoproj.io/tracking-id", "keel.sh/policy", "meta.helm.sh/release-name"), LONG),
        "kubectl.kubernetes.io/last-applied-configuration": LONG,
    }
    owners = [{"controller": True, "kind": LONG, "name": LONG, "apiVersion": LONG}]
    found = controllers({"metadata": {"name": "web", "annotations": notes, "ownerReferences": owners}})
    assert len(found) == 4
    assert all(len(one.words) <= 1000 for one in found)


def test_a_line_that_nobody_can_paste_is_none_and_a_change_that_is_too_large_is_told() -> None:
    web = calls.At(("kubectl",), "shop", "deployment", "web", "/apis/apps/v1/namespaces/shop/deployments/web", "u")
    call = calls.patch(web, [put("/spec/template", "x" * 70_000)], brief="b" * 300)
    assert call.line == "kubectl -n shop get deployment/web -o yaml"
    assert call.brief.endswith("(too long to be pasted)")
    with pytest.raises(BadInput, match="deployment/web is too large"):
        calls.patch(web, [put("/spec/template", "x" * 1_100_000)])
