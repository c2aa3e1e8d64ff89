"""Releases of a workload in a cluster: what runs, what ran, what lies between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster import wait_for
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_reading import reading, with_configs
from warroom.api import BadInput, Context, WarroomError
from warroom.model.release import Release, ReleaseDiff
from warroom.redact import Redactor
from warroom.testing.conformance import check_plugin
from warroom_kubernetes import plugin
from warroom_kubernetes.releases import KubernetesReleases, _begun

RELEASES = KubernetesReleases()


async def running(ctx: Context) -> Release:
    found = await RELEASES.running(ctx)
    assert found is not None
    return found


async def between(ctx: Context) -> ReleaseDiff:
    """What going back from the newest revision to the one before it takes away."""
    newest, before, *_ = await RELEASES.history(ctx)
    return await RELEASES.diff(ctx, before, newest)


def tag(image: str) -> str:
    return image.rpartition(":")[2]


def released(web: Workload, image: str, cause: str = "") -> None:
    web.set_image(image, cause)
    web.wait_rolled_out()


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_each_revision_is_a_release(kind: Any, namespace: Namespace) -> None:
    """Known by the template's hash before and after it is gone back to, though its number is another by then."""
    images = namespace.cluster.images
    web = namespace.workload(kind=kind, replicas=1)
    async with reading(namespace, workloads={"web": {"kind": kind}}) as ctx:
        first = await running(ctx)
        released(web, images.next)
        second = await running(ctx)
        assert (first.version, second.version) == (tag(images.good), tag(images.next))
        assert first.same_as(second) is False
        assert [one.version for one in await RELEASES.history(ctx)] == [tag(images.next), tag(images.good)]
        assert "revision 2" in second.note
        assert "1 pod" in second.note or kind == "DaemonSet"
        released(web, images.good)
        now, history = await running(ctx), await RELEASES.history(ctx)
        assert now.same_as(first) is True
        assert history[0].same_as(first) is True
        assert "revision 3" in now.note
        times = [one.deployed_at for one in history if one.deployed_at is not None]
        assert times == sorted(times, reverse=True)
        for text in (
            "2",
            second.version,
            second.digest or "",
            f"web-{(second.digest or '').removeprefix('template:')}",
        ):
            found = await RELEASES.resolve(ctx, text)
            assert found.same_as(second) is True, text
        for nonsense in ("", "7", "--detach", "sha256:" + "0" * 64, "; id", "../../etc/passwd", "\x1b[2J"):
            with pytest.raises(BadInput):
                await RELEASES.resolve(ctx, nonsense)


async def test_the_number_of_before_is_explained(namespace: Namespace) -> None:
    web = namespace.workload()
    released(web, namespace.cluster.images.next)
    released(web, namespace.cluster.images.good)
    async with reading(namespace) as ctx:
        with pytest.raises(BadInput, match=r"revision 1 was gone back to, and is revision 3 since"):
            await RELEASES.resolve(ctx, "1")
        assert "it was revision 1 before" in (await running(ctx)).note


async def test_the_image_that_its_pods_have_is_said(namespace: Namespace) -> None:
    """And it is found by it."""
    namespace.workload()
    async with reading(namespace) as ctx:
        now = await running(ctx)
        (short,) = [word for part in now.note.split("; ") if part.startswith("image ") for word in part.split()[1:]]
        assert (await RELEASES.resolve(ctx, short)).same_as(now) is True


async def test_a_release_that_changed_a_setting_only_is_another(namespace: Namespace) -> None:
    """One image, one tag: it can still be gone back to, and both have a name of their own."""
    web = namespace.workload(replicas=1)
    env = [{"name": "LEVEL", "value": "debug"}, {"name": "EXTRA", "value": "on"}]
    web.patch({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": env}]}}}})
    web.wait_rolled_out()
    async with reading(namespace) as ctx:
        newest, before = await RELEASES.history(ctx)
        assert newest.version != before.version
        assert newest.matches(before) is False
        assert (await RELEASES.resolve(ctx, before.version)).same_as(before) is True
        diff = await between(ctx)
        assert diff.config_keys == ("added EXTRA", "changed LEVEL")
        assert "debug" not in str(diff)


async def test_a_rollout_is_the_new_release_as_soon_as_a_pod_of_it_has_begun(namespace: Namespace) -> None:
    """Trouble begins with the first pod, and is to be put down to it; the others are still there, and it says so."""
    images = namespace.cluster.images
    web = namespace.workload(replicas=2)
    web.set_image(images.bad, "Deploy the broken one")
    wait_for(lambda: any(begun(pod, images.bad) for pod in web.pods()), "a pod of it that has begun")
    async with reading(namespace) as ctx:
        now = await running(ctx)
    assert now.version == tag(images.bad)
    assert f"of {tag(images.good)}" in now.note.partition("beside it ")[2]
    assert now.beside == f"0 of 1 pod ready, beside {tag(images.good)} (2 of 2 pods ready)", "those serve"
    assert "Deploy the broken one" in now.note
    assert now.deployed_at is not None


def begun(pod: dict[str, Any], image: str) -> bool:
    """Its container has run, or the image can't be had."""
    if pod["spec"]["containers"][0]["image"] != image:
        return False
    one: dict[str, Any] = (pod["status"].get("containerStatuses") or [{"state": {}}])[0]
    reason = one["state"].get("waiting", {}).get("reason", "")
    return reason in ("ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff") or bool(one.get("restartCount"))


@pytest.mark.parametrize(
    ("status", "is_begun"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CreateContainerError"}}}]}, True),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, False),
        ({"initContainerStatuses": [{"state": {"running": {}}}]}, False),
        ({"initContainerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}, False),
        ({"initContainerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]}, True),
        ({"initContainerStatuses": [{"state": {"waiting": {"reason": "ErrImageNeverPull"}}}]}, True),
        ({"initContainerStatuses": [{"restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, True),
    ],
)
def test_what_keeps_a_pod_from_running_is_its_template_s_doing(status: dict[str, Any], is_begun: bool) -> None:
    assert _begun({"status": status}) is is_begun


async def test_nothing_runs_at_zero_and_what_is_not_there_does_not(namespace: Namespace) -> None:
    web = namespace.workload(replicas=1)
    web.scale(0)
    wait_for(lambda: not web.pods(), "its pods' end")
    async with reading(namespace) as ctx:
        assert await RELEASES.running(ctx) is None
        assert [one.version for one in await RELEASES.history(ctx)] == [tag(namespace.cluster.images.good)]
    async with reading(namespace, workloads={"absent": {}}) as ctx:
        assert await RELEASES.running(ctx) is None
        with pytest.raises(WarroomError, match="There is no Deployment"):
            await RELEASES.history(ctx)


async def test_a_container_that_is_not_there_is_said(namespace: Namespace) -> None:
    namespace.workload(replicas=1)
    async with reading(namespace, workloads={"web": {"container": "sidecar"}}) as ctx:
        with pytest.raises(WarroomError, match="no container sidecar"):
            await RELEASES.running(ctx)


async def test_a_cron_job_has_one(namespace: Namespace) -> None:
    namespace.workload("nightly", kind="CronJob", wait=False)
    async with reading(namespace, workloads={"nightly": {"kind": "CronJob"}}) as ctx:
        now = await running(ctx)
        assert [now] == [one.model_copy(update={"note": now.note}) for one in await RELEASES.history(ctx)]
        assert "keeps no revisions" in now.note


async def test_between_two_releases(namespace: Namespace) -> None:
    """Images, resources, probes and mounts; what stays as it is."""
    images = namespace.cluster.images
    web = namespace.workload(replicas=1)
    container = {
        "name": "app",
        "image": images.next,
        "resources": {"limits": {"memory": "512Mi"}},
        "readinessProbe": {"periodSeconds": 2},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    web.patch(
        {"spec": {"template": {"spec": {"containers": [container], "volumes": [{"name": "scratch", "emptyDir": {}}]}}}}
    )
    web.wait_rolled_out()
    async with reading(namespace) as ctx:
        notes = " | ".join((await between(ctx)).notes)
    assert f"since then app: the image {images.good} → {images.next}" in notes
    assert "app: is limited to 512Mi memory, before none" in notes
    assert "since then app: readiness probe: periodSeconds 1 → 2" in notes
    assert "app: scratch is mounted at /scratch" in notes
    assert "volume added scratch: emptyDir" in notes
    assert "are not taken back with it" in notes


async def test_who_may_act_on_it_is_said_with_what_lies_between(namespace: Namespace) -> None:
    released(namespace.workload(replicas=1), namespace.cluster.images.next)
    namespace.autoscaler()
    async with reading(namespace) as ctx:
        notes = (await between(ctx)).notes
    assert "the HPA web sets how many pods there are, 1 to 5: it is at work" in notes


async def test_what_differs_from_then_is_known_by_hash(namespace: Namespace) -> None:
    """Of what was seen while that ran; a Secret's value and a ConfigMap's stand in nothing that is given."""
    web = with_configs(namespace, password="Canary-of-a-secret-77b1")
    at, cluster = namespace.path("v1", "configmaps", "settings"), namespace.cluster
    async with reading(namespace) as ctx:
        await running(ctx)
        released(web, cluster.images.next)
        same = await between(ctx)
        assert "the same as when that ran, by hash: ConfigMap settings and Secret login" in " | ".join(same.notes)
        assert same.config_keys == ()
        cluster.merge(at, {"data": {"LEVEL": "Canary-of-a-setting", "MODE": None, "EXTRA": "x"}})
        cluster.merge(namespace.path("v1", "secrets", "login"), {"data": {"password": "Q2FuYXJ5LW5ldw=="}})
        diff = await between(ctx)
        assert set(diff.config_keys or ()) == {
            "added settings.EXTRA",
            "changed settings.LEVEL",
            "removed settings.MODE",
            "changed Secret login",
        }
        assert "Canary" not in str(diff)
        cluster.delete(at)
        assert "ConfigMap settings is not there any more: its pods can't start without it" in (await between(ctx)).notes


async def test_what_nobody_saw_then_is_told_by_when_it_was_written(namespace: Namespace) -> None:
    web = with_configs(namespace, password="Canary-of-a-secret-77b1")
    released(web, namespace.cluster.images.next)
    async with reading(namespace) as ctx:
        notes = " | ".join((await between(ctx)).notes)
        assert "ConfigMap settings was last written" in notes or "ConfigMap settings was written" in notes


@pytest.mark.needs("kube-emulator")
async def test_a_secret_that_may_not_be_read_is_no_trouble(namespace: Namespace) -> None:
    web = with_configs(namespace, password="x")
    released(web, namespace.cluster.images.next)
    namespace.cluster.steer.deny("get", "secrets", namespace.name)
    async with reading(namespace) as ctx:
        notes = " | ".join((await between(ctx)).notes)
    assert "whether Secret login differs from then can't be told: this login may not read it" in notes


async def test_a_secret_in_a_template_is_known_to_the_redactor(namespace: Namespace) -> None:
    redactor = Redactor()
    env = [{"name": "API_TOKEN", "value": "Canary-in-a-template-5d02"}]
    web = namespace.workload(replicas=1)
    web.patch({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": env}]}}}})
    async with reading(namespace, redactor) as ctx:
        await RELEASES.history(ctx)
    assert "Canary" not in redactor.clean("the log said Canary-in-a-template-5d02")


async def test_the_app_says_what_it_is(namespace: Namespace) -> None:
    """Where it can't be asked the release is known all the same, and the note says why."""
    namespace.workload(replicas=1)
    declared = {"web": {"version_url": "http://127.0.0.1:9/version"}}
    async with reading(namespace, workloads=declared) as ctx:
        assert "the app does not say what it is" in (await running(ctx)).note


async def test_it_keeps_the_contract(namespace: Namespace, tmp_path: Path) -> None:
    """Releases and evidence, as the suite for plugins holds them."""
    released(namespace.workload(replicas=1), namespace.cluster.images.next)
    reader = replace(
        plugin, operations=(), probes=(), signals=None, logs=None, readiness=None, deploying=None, sender=None
    )
    async with reading(namespace) as ctx:
        await check_plugin(reader, ctx, folder=tmp_path, items=20, patience=30)
