"""Going back to an earlier revision, on a cluster: one guarded patch, told beforehand and taken back by its inverse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kube.cluster import Cluster, wait_for
from tests.kube.workloads import Kind, Namespace, Workload
from tests.plugins.kubernetes_changing import operating
from tests.plugins.kubernetes_reading import with_configs
from warroom.errors import BadInput, WarroomError
from warroom.model.call import ApiCall
from warroom_kubernetes.releases import KubernetesReleases

Make = Callable[..., Workload]
KINDS: tuple[Kind, ...] = ("Deployment", "StatefulSet", "DaemonSet")


@pytest.mark.parametrize("kind", KINDS)
async def test_back_to_the_revision_before_and_forth_again(namespace: Namespace, cluster: Cluster, kind: Kind) -> None:
    web = namespace.workload("web", kind, replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace, workloads={"web": {"kind": kind}}) as op:
        facts, preview = await op.planned("undo", workload="web")
        assert not facts["already"]
        (call,) = preview.calls
        assert isinstance(call, ApiCall)
        assert call.line.endswith(f"-n {namespace.name} rollout undo {kind.lower()}/web --to-revision=1")
        good, bad = (image.rpartition("/")[2] for image in (cluster.images.good, cluster.images.next))
        assert call.brief == f"the template of revision 1 ({good}), by one guarded patch"
        assert preview.inverse is not None
        assert [getattr(back, "brief", "") for back in preview.inverse] == [
            f"the template of before ({bad}), by one guarded patch"
        ]
        assert preview.restores == bad.rpartition(":")[2], "by what was captured"
        look, preview, outputs = await op.done("undo", workload="web")
        assert "as the plan called it" in look.seen
        assert web.image == cluster.images.good
        assert outputs == {"generation": str(web.get()["metadata"]["generation"])}
        waited, _, _ = await op.done("rollout", workload="web", wait=60)
        assert "new and" in waited.seen
        await op.taken_back("undo", preview, facts, workload="web")
        assert web.image == cluster.images.next


async def test_annotations_are_put_as_kubectl_does(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1, metadata={"annotations": {"kubernetes.io/change-cause": "first"}})
    web.set_image(cluster.images.next, cause="second")
    web.wait_rolled_out()
    web.patch({"metadata": {"annotations": {"team": "shop"}}})
    async with operating(namespace) as op:
        facts, preview = await op.planned("undo", workload="web", to="first")
        await op.executed(preview.calls)
        notes = web.get()["metadata"]["annotations"]
        assert notes["kubernetes.io/change-cause"] == "first"
        assert "team" not in notes
        await op.taken_back("undo", preview, facts, workload="web", to="first")
        notes = web.get()["metadata"]["annotations"]
        assert (notes["kubernetes.io/change-cause"], notes["team"]) == ("second", "shop")


async def test_what_somebody_changed_meanwhile_is_left_alone(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        facts, preview = await op.planned("undo", workload="web")
        web.patch({"spec": {"template": {"metadata": {"annotations": {"note": "mine"}}}}})
        (result,) = await op.executed(preview.calls)
        assert result.status == 422
        assert "nothing was changed: somebody changed /spec/template" in result.text
        assert web.image == cluster.images.next
        assert (await op.look("undo", facts, workload="web")).verdict == "partly"


async def test_a_scaling_meanwhile_is_no_hindrance(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web")
        web.scale(2)
        (result,) = await op.executed(preview.calls)
        assert result.status == 200
        assert (web.image, web.get()["spec"]["replicas"]) == (cluster.images.good, 2)


async def test_signs_that_json_may_write_in_two_ways_are_the_same(namespace: Namespace, cluster: Cluster) -> None:
    command = {"name": "app", "command": ["sh", "-c", "a && b <ü> \u2028"]}
    web = namespace.workload("web", replicas=1)
    web.patch({"spec": {"template": {"spec": {"containers": [command]}}}})
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web")
        (result,) = await op.executed(preview.calls)
        assert result.status == 200, result
        (result,) = await op.executed(preview.inverse)
        assert result.status == 200, result


async def test_what_is_there_already_is_told_and_not_changed(workload: Make, namespace: Namespace) -> None:
    web = workload("web", replicas=1)
    before = web.get()["metadata"]["generation"]
    async with operating(namespace) as op:
        look, preview, _ = await op.done("undo", workload="web", to="1")
        assert all(isinstance(call, ApiCall) and call.method == "GET" for call in preview.calls)
        assert "there is no change to make" in preview.notes[0]
        assert "was at it already" in look.seen
        assert web.get()["metadata"]["generation"] == before


async def test_what_cannot_be_gone_back_to_is_explained(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        with pytest.raises(BadInput, match="has no revision before"):
            await op.planned("undo", workload="web")
        web.set_image(cluster.images.next)
        web.wait_rolled_out()
        with pytest.raises(BadInput, match="Deployment web has no revision '7'"):
            await op.planned("undo", workload="web", to="7")
        await op.done("undo", workload="web", to="1")
        web.wait_rolled_out()
        with pytest.raises(BadInput) as renumbered:
            await op.planned("undo", workload="web", to="1")
        assert "is revision 3 since" in str(renumbered.value)
        with pytest.raises(BadInput, match="There is no workload worker"):
            await op.planned("undo", workload="worker")


async def test_without_a_history_there_is_no_way_back(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1, spec={"revisionHistoryLimit": 0})
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        wait_for(lambda: len(web.replica_sets()) == 1, "the old ReplicaSet to be taken away")
        with pytest.raises(BadInput) as refused:
            await op.planned("undo", workload="web")
        assert "revisionHistoryLimit is 0" in refused.value.cause
        assert "set image deployment/web app=" in refused.value.hint


async def test_a_paused_one_is_explained_or_resumed_with_it(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    web.patch({"spec": {"paused": True}})
    async with operating(namespace) as op:
        with pytest.raises(BadInput) as refused:
            await op.planned("undo", workload="web")
        assert refused.value.title == "Deployment web is paused"
        assert "rollout resume deployment/web" in refused.value.hint
        facts, preview = await op.planned("undo", workload="web", resume=True)
        assert preview.notes[0].startswith("Deployment web was paused")
        (call,) = preview.calls
        assert isinstance(call, ApiCall)
        assert "no longer paused" in call.brief
        await op.executed(preview.calls)
        assert "paused" not in web.get()["spec"]
        assert (await op.look("undo", facts, workload="web", resume=True)).verdict == "done"
        web.patch({"spec": {"paused": True}})
        assert (await op.look("undo", facts, workload="web", resume=True)).verdict == "partly"
        web.patch({"spec": {"paused": None}})
        await op.taken_back("undo", preview, facts, workload="web", resume=True)
        assert web.get()["spec"]["paused"] is True


async def test_one_that_was_paused_on_its_way_back_is_let_go_on(namespace: Namespace, cluster: Cluster) -> None:
    """It asks for that revision already, and no pod of it comes."""
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    web.patch({"spec": {"paused": True}})
    seen = web.get()["metadata"]["generation"]
    wait_for(lambda: web.get()["status"]["observedGeneration"] >= seen, "its controller to see that")
    images = (cluster.images.good, cluster.images.next)
    args, there = ({"workload": "web", "version": each.rpartition(":")[2], "resume": True} for each in images)
    async with operating(namespace) as op:
        facts, _ = await op.planned("undo", **there)
        assert facts["already"], "all its pods are of it: it may stay paused"
        web.set_image(cluster.images.good)
        facts, preview = await op.planned("undo", **args)
        assert (facts["already"], preview.restores) == (False, "")
        assert (await op.look("undo", facts, **args)).verdict == "not-begun"
        await op.executed(preview.calls)
        assert (await op.look("undo", facts, **args)).verdict == "done"
        web.wait_rolled_out()
        await op.taken_back("undo", preview, facts, **args)
        assert (web.get()["spec"]["paused"], web.image) == (True, cluster.images.good)


async def test_one_that_is_not_paused_has_kubectl_s_own_line_and_no_word_of_it(
    namespace: Namespace, cluster: Cluster
) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web", resume=True)
    assert preview.calls[0].paste().endswith("rollout undo deployment/web --to-revision=1")
    assert not any("paused" in note for note in preview.notes)


@pytest.mark.needs("kube-emulator")
async def test_a_right_that_is_missing_is_told_beforehand(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    cluster.steer.deny("patch", "deployments", namespace.name)
    async with operating(namespace) as op:
        with pytest.raises(WarroomError) as refused:
            await op.planned("undo", workload="web")
    assert "may not patch deployments" in refused.value.title


async def test_a_secret_in_the_environment_is_in_no_plan_and_stays(namespace: Namespace, cluster: Cluster) -> None:
    word = "hunter2-very-secret-9f31"
    env = [{"name": "DB_PASSWORD", "value": word}, {"name": "LEVEL", "value": "info"}]
    web = namespace.workload("web", replicas=1)
    web.patch({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": env}]}}}})
    wait_for(lambda: web.revision == 2, "a revision of its own")
    web.patch({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": cluster.images.next}]}}}})
    web.wait_rolled_out()
    async with operating(namespace) as op:
        facts, preview = await op.planned("undo", workload="web", to="2")
        assert word not in preview.model_dump_json()
        assert word not in str(facts)
        (result,) = await op.executed(preview.calls)
        assert result.status == 200, result
        (app,) = web.get()["spec"]["template"]["spec"]["containers"]
        assert app["image"] == cluster.images.good
        assert {"name": "DB_PASSWORD", "value": word} in app["env"]
        await op.taken_back("undo", preview, facts, workload="web", to="2")
        other = {"name": "app", "env": [{**env[0], "value": "other-Secret-7"}]}
        web.patch({"spec": {"template": {"spec": {"containers": [other]}}}})
        web.wait_rolled_out()
        with pytest.raises(BadInput, match="without a secret in the plan"):
            await op.planned("undo", workload="web")


async def test_the_preview_says_which_configuration_differs_from_then(namespace: Namespace, cluster: Cluster) -> None:
    """By hash where it was seen to run, for Secrets too; a value stands in nothing that is given."""
    web = with_configs(namespace, password="Canary-of-a-secret-77b1")
    settings, login = (namespace.path("v1", *each) for each in (("configmaps", "settings"), ("secrets", "login")))
    async with operating(namespace) as op:
        await KubernetesReleases().running(op.context)
        web.set_image(cluster.images.next)
        web.wait_rolled_out()
        _, preview = await op.planned("undo", workload="web")
        assert any(
            "the same as when that ran, by hash: ConfigMap settings and Secret login" in n for n in preview.notes
        )
        cluster.merge(settings, {"data": {"LEVEL": "Canary-of-a-setting", "MODE": None}})
        cluster.merge(login, {"data": {"password": "Q2FuYXJ5LW5ldw=="}})
        facts, preview = await op.planned("undo", workload="web")
        told = " | ".join(note for note in preview.notes if note.startswith("not taken back"))
        assert "ConfigMap settings differs from" in told
        assert "changed LEVEL and removed MODE" in told
        assert "Secret login differs from" in told
        assert "Canary" not in str((facts, preview))
        cluster.delete(login)
        _, preview = await op.planned("undo", workload="web")
        assert any("Secret login is not there any more: its pods can't start" in note for note in preview.notes)


async def test_what_nobody_saw_run_is_not_said_to_be_the_same(namespace: Namespace, cluster: Cluster) -> None:
    web = with_configs(namespace, password="x")
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web")
        told = [note for note in preview.notes if "Secret login" in note]
        assert len(told) == 1
        assert "was last written by" in told[0] or "was written by" in told[0]
        assert "the same" not in told[0]
        if cluster.emulated:
            cluster.steer.deny("get", "secrets", namespace.name)
            _, preview = await op.planned("undo", workload="web")
            assert any("Secret login differs from then can't be told: this login may not" in n for n in preview.notes)


@pytest.mark.parametrize("word", ["1", "previous", "0"])
async def test_a_number_and_the_one_before_name_a_revision(namespace: Namespace, cluster: Cluster, word: str) -> None:
    """To whoever types a target, and to a step of a runbook that asks for no target at all."""
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        release = await KubernetesReleases().resolve(op.context, word)
        assert release.version == cluster.images.good.rpartition(":")[2]
        asked, _ = await op.planned("undo", workload="web", to=word)
        chosen, _ = await op.planned("undo", workload="web", version=release.version, digest=release.digest)
        assert (asked["target"], asked["number"]) == (chosen["target"], chosen["number"]) == (release.digest, 1)
