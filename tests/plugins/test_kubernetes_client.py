"""Questions to a cluster over the plugin's own connections."""

from __future__ import annotations

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import config_of, doors_of, reading
from warroom_kubernetes.asking import NotThere
from warroom_kubernetes.asking import cluster as opened
from warroom_kubernetes.paths import path


async def test_an_object_is_read_as_plain_json_and_the_question_can_be_pasted(cluster: Cluster) -> None:
    async with doors_of(config_of(cluster)) as doors, opened(doors.context) as api:
        found = await api.get(path("v1", "namespaces", name="kube-system"))
        assert found["metadata"]["uid"] == cluster.uid()
    config = f"--kubeconfig {cluster.kubeconfig} --context {cluster.context}"
    assert doors.lines() == [f"kubectl {config} get --raw /api/v1/namespaces/kube-system"]


async def test_what_is_not_there_is_told_in_the_api_s_own_words(namespace: Namespace) -> None:
    async with reading(namespace) as ctx, opened(ctx) as api:
        with pytest.raises(NotThere, match='deployments.apps "web" not found') as refused:
            await api.get(path("apps/v1", "deployments", namespace=namespace.name, name="web"))
    assert refused.value.status == 404
    assert refused.value.reason == "NotFound"
