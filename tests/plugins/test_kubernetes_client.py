"""Questions to a cluster over the plugin's own connections, and the answers that it may get."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import config_of, doors_of, reading
from warroom.api import DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model.call import ApiCall
from warroom_kubernetes.reach import asking, client
from warroom_kubernetes.reach.asking import (
    ApiRefused,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotThere,
)
from warroom_kubernetes.reach.asking import cluster as opened
from warroom_kubernetes.reach.client import Query
from warroom_kubernetes.reach.paths import path

SYSTEM = "/api/v1/namespaces/kube-system"
emulated = pytest.mark.needs("kube-emulator")


class TestQuestions:
    async def test_an_object_is_plain_json_and_the_question_can_be_pasted(self, cluster: Cluster) -> None:
        async with doors_of(config_of(cluster)) as doors, opened(doors.context) as api:
            assert (await api.get(SYSTEM))["metadata"]["uid"] == cluster.uid()
            await api.get("/api/v1/namespaces", {"labelSelector": "a=b,c", "limit": 1})
        config = f"--kubeconfig {cluster.kubeconfig} --context {cluster.context}"
        assert doors.lines() == [
            f"kubectl {config} get --raw {SYSTEM}",
            f"kubectl {config} get --raw '/api/v1/namespaces?labelSelector=a%3Db%2Cc&limit=1'",
        ]

    @emulated
    async def test_a_query_comes_as_it_was_meant(self, cluster: Cluster) -> None:
        meant = {"labelSelector": "app in (a,b),x!=y,tier=ä", "continue": "a+b/c==&d%3D #?", "limit": "1"}
        cluster.steer.forget()
        async with doors_of(config_of(cluster)) as doors, opened(doors.context) as api:
            with contextlib.suppress(ApiRefused):
                await api.get("/api/v1/namespaces", meant)
        assert [seen.query for seen in cluster.steer.requests()] == [meant]

    async def test_refusals_are_told_apart_in_the_api_s_own_words(self, namespace: Namespace) -> None:
        web = namespace.workload(replicas=0, wait=False)
        async with reading(namespace) as ctx, opened(ctx) as api:
            with pytest.raises(NotThere, match=r'deployments\.apps "web-other" not found') as missing:
                await api.get(f"{web.path}-other")
            assert (missing.value.status, missing.value.reason) == (404, "NotFound")
            with pytest.raises(Conflict) as there:
                await api.dry_run("POST", web.path.removesuffix("/web"), copied(web.get()))
            assert there.value.reason == "AlreadyExists"
            patch = [{"op": "test", "path": "/spec/replicas", "value": 7}]
            with pytest.raises(Invalid):
                await api.dry_run("PATCH", web.path, patch, content_type=asking.JSON_PATCH)

    async def test_a_dry_run_keeps_nothing_and_nothing_else_is_sent(self, namespace: Namespace) -> None:
        web = namespace.workload(replicas=0, wait=False)
        before = web.get()["metadata"]["generation"]
        async with reading(namespace) as ctx, opened(ctx) as api:
            patch = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
            answer = await api.dry_run("PATCH", web.path, patch, content_type=asking.JSON_PATCH)
            assert answer["spec"]["replicas"] == 3
            with pytest.raises(DoorRefused, match="was not asked"):
                await api._asked("PATCH", web.path, {}, patch, asking.JSON_PATCH)
        assert web.get()["metadata"]["generation"] == before
        assert web.get()["spec"]["replicas"] == 0

    async def test_a_right_is_asked_for_as_kubectl_does(self, namespace: Namespace) -> None:
        config = config_of(namespace.cluster, namespace.name)
        async with doors_of(config) as doors, opened(doors.context) as api:
            assert (await api.may("patch", "deployments", group="apps", sub="scale", name="web")).allowed
        assert doors.lines()[0].endswith(
            f"auth can-i patch deployments.apps/web --subresource scale -n {namespace.name}"
        )

    async def test_an_approved_request_is_sent_as_it_is(self, namespace: Namespace) -> None:
        web = namespace.workload(replicas=0, wait=False)
        change: list[JsonValue] = [{"op": "replace", "path": "/spec/replicas", "value": 1}]
        call = ApiCall(method="PATCH", path=web.path, content_type=asking.JSON_PATCH, body=change, line="kubectl scale")
        async with doors_of(config_of(namespace.cluster, namespace.name)) as doors, opened(doors.context) as api:
            done = await api.send(call)
            again = await api.send(call.model_copy(update={"path": f"{web.path}-other"}))
        assert isinstance(done.data, dict)
        assert (done.status, again.status) == (200, 404)
        assert web.get()["spec"]["replicas"] == 1
        assert doors.lines() == [], "it is the change door that logs it"

    async def test_users_at_the_same_time_share_what_the_last_one_closes(self, cluster: Cluster) -> None:
        async with doors_of(config_of(cluster)) as doors:
            async with opened(doors.context) as one, opened(doors.context) as other:
                assert one is other
            async with opened(doors.context) as later:
                assert later is not one
                assert await later.get("/version")


class TestVersions:
    """Which version of a group is asked for."""

    V1, OLD = "autoscaling/v2", "autoscaling/v2beta2"

    @pytest.mark.parametrize(
        ("served", "version", "asked"),
        [
            ({V1: ["horizontalpodautoscalers"], OLD: ["horizontalpodautoscalers"]}, V1, 1),
            ({OLD: ["horizontalpodautoscalers"]}, OLD, 2),
            ({V1: ["others"], OLD: ["horizontalpodautoscalers", "others"]}, OLD, 2),
            ({}, V1, 4),
            (None, V1, 2),
        ],
        ids=["new", "old", "a-group-without-it", "none", "forbidden"],
    )
    async def test_it_is_the_newest_that_is_served_and_asked_for_once(
        self, served: dict[str, list[str]] | None, version: str, asked: int, cluster: Cluster
    ) -> None:
        """What was not found is asked for again: it may be there by then."""
        paths: list[str] = []

        async def get(path: str, query: Query | None = None, *, timeout: float | None = None) -> dict[str, Any]:
            paths.append(path)
            await asyncio.sleep(0)
            if served is None:
                raise Forbidden("no")
            if path.removeprefix("/apis/") not in served:
                raise NotThere("no")
            return {"resources": [{"name": name} for name in served[path.removeprefix("/apis/")]]}

        async with doors_of(config_of(cluster)) as doors, opened(doors.context) as api:
            api.get = get  # type: ignore[method-assign]  # a server of another age than the one of the tests
            found = await asyncio.gather(*(api.version("horizontalpodautoscalers") for _ in range(2)))
            assert found == [version, version]
            assert len(paths) == asked
            at = await api.where("horizontalpodautoscalers", namespace="shop", name="web")
            assert at == f"/apis/{version}/namespaces/shop/horizontalpodautoscalers/web"

    async def test_what_has_one_version_is_not_asked_for(self, cluster: Cluster) -> None:
        async with doors_of(config_of(cluster)) as doors, opened(doors.context) as api:
            assert await api.where("deployments", namespace="shop") == "/apis/apps/v1/namespaces/shop/deployments"
            assert await api.where("services", namespace="shop") == "/api/v1/namespaces/shop/services"
        assert doors.lines() == []

    async def test_what_is_served_can_be_listed(self, namespace: Namespace) -> None:
        async with reading(namespace) as ctx, opened(ctx) as api:
            for resource in ("cronjobs", "horizontalpodautoscalers", "endpointslices", "poddisruptionbudgets"):
                await api.listed(await api.where(resource, namespace=namespace.name))


def copied(thing: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in thing.items() if key != "status"} | {
        "metadata": {"name": thing["metadata"]["name"]}
    }


class TestLists:
    async def test_it_is_read_in_pages(self, namespace: Namespace) -> None:
        for number in range(5):
            namespace.create("v1", "configmaps", "ConfigMap", f"c{number}")
        of = path("v1", "configmaps", namespace=namespace.name)
        query = {"labelSelector": "", "fieldSelector": "metadata.name!=kube-root-ca.crt"}
        async with reading(namespace) as ctx, opened(ctx) as api:
            sizes = [len(page["items"]) async for page in api.pages(of, query, page=2)]
            names = [one["metadata"]["name"] async for one in api.each(of, query, page=2)]
            all_of_it = await api.listed(of, query, page=2)
        assert sizes == [2, 2, 1]
        assert names == [f"c{number}" for number in range(5)]
        assert [one["metadata"]["name"] for one in all_of_it.items] == names
        assert all_of_it.version.isdigit()

    @emulated
    async def test_one_that_is_no_longer_kept_is_read_again_from_its_beginning(self, namespace: Namespace) -> None:
        for number in range(4):
            namespace.create("v1", "configmaps", "ConfigMap", f"c{number}")
        of = path("v1", "configmaps", namespace=namespace.name)
        async with reading(namespace) as ctx, opened(ctx) as api:
            pages = api.pages(of, page=2)
            first = await anext(pages)
            namespace.create("v1", "configmaps", "ConfigMap", "later")
            namespace.cluster.steer.compact()
            with pytest.raises(Gone):
                await anext(pages)
            assert len(first["items"]) == 2
            namespace.cluster.steer.fail(r"configmaps.*", 410, times=1, reason="Expired")
            assert len((await api.listed(of, page=2)).items) == 5


class TestStreams:
    async def test_a_watch_comes_line_by_line(self, namespace: Namespace) -> None:
        of = path("v1", "configmaps", namespace=namespace.name)
        async with reading(namespace) as ctx, opened(ctx) as api:
            version = (await api.listed(of)).version
            query: Query = {"watch": True, "resourceVersion": version, "fieldSelector": "metadata.name=new"}
            async with contextlib.aclosing(api.stream(of, query)) as lines:
                coming = asyncio.ensure_future(anext(lines))
                await asyncio.to_thread(namespace.create, "v1", "configmaps", "ConfigMap", "new")
                async with asyncio.timeout(60):
                    event = json.loads(await coming)
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "new")

    @emulated
    async def test_silence_is_told(self, namespace: Namespace) -> None:
        of = path("v1", "configmaps", namespace=namespace.name)
        async with reading(namespace) as ctx, opened(ctx) as api:
            namespace.create("v1", "configmaps", "ConfigMap", "new")
            async with contextlib.aclosing(api.stream(of, {"watch": True}, silence=0.3)) as lines:
                await anext(lines)
                namespace.cluster.steer.mute()
                with pytest.raises(TimedOut, match=r"has said nothing for 0\.3 s"):
                    await last(lines)
        namespace.cluster.steer.mute(False)

    async def test_what_can_t_be_followed_is_refused(self, namespace: Namespace) -> None:
        async with reading(namespace) as ctx, opened(ctx) as api:
            with pytest.raises(NotThere):
                async for _ in api.stream(path("v1", "pods", namespace=namespace.name, name="none", sub="log")):
                    pass


async def last(lines: AsyncIterator[bytes]) -> bytes:
    return [line async for line in lines][-1]


class Served:
    """What answers each connection with these bytes: for answers that no cluster should give."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            await writer.drain()
        writer.close()


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def served(folder: Path, *answers: bytes) -> contextlib.AbstractAsyncContextManager[asking.Cluster]:
    return serving(folder, Served(*answers).answer)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[asking.Cluster]:
    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    file = folder / "plain"
    cluster = {"clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}]}
    context = {"contexts": [{"name": "x", "context": {"cluster": "c"}}], "current-context": "x"}
    file.write_text(json.dumps({**cluster, **context}))
    try:
        config = {"kubeconfig": str(file), "workloads": {"web": {}}, "request_s": 10}
        async with doors_of(config) as doors, opened(doors.context) as api:
            yield api
    finally:
        listener.close()


class TestOddAnswers:
    async def test_no_json_is_told(self, tmp_path: Path) -> None:
        async with served(tmp_path, whole(b"<html>")) as api:
            with pytest.raises(WarroomError, match="can't be read"):
                await api.get("/version")

    async def test_an_error_page_is_told_in_its_own_words(self, tmp_path: Path) -> None:
        async with served(tmp_path, whole(b"upstream  is\nwell hidden", "502 Bad Gateway")) as api:
            with pytest.raises(ApiRefused) as problem:
                await api.get("/version")
        assert (problem.value.status, problem.value.cause) == (502, "upstream is well hidden")

    async def test_a_redirect_is_not_followed(self, tmp_path: Path) -> None:
        answer = whole(b"", "302 Found", "Location: http://169.254.169.254/latest")
        async with served(tmp_path, answer, whole(b"{}")) as api:
            with pytest.raises(ApiRefused) as problem:
                await api.get("/version")
        assert problem.value.status == 302

    async def test_more_than_is_read_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "BODY_LIMIT", 1000)
        async with served(tmp_path, whole(b'"' + b"x" * 2000 + b'"')) as api:
            with pytest.raises(WarroomError, match="is too long"):
                await api.get("/version")

    async def test_one_that_breaks_off_is_no_answer(self, tmp_path: Path) -> None:
        cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
        async with served(tmp_path, cut) as api:
            with pytest.raises(Unreachable):
                await api.get("/version")

    async def test_a_line_without_end_is_cut(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(asking, "LINE_LIMIT", 100)
        body = b"short\n" + b"x" * 300_000 + b"\nlast"
        async with served(tmp_path, whole(body)) as api:
            lines = [line async for line in api.stream("/log")]
        assert [lines[0], lines[1][:3], lines[-1]] == [b"short", b"xxx", b"last"]
        assert len(lines) == 3
        assert len(lines[1]) == 100

    async def test_a_text_is_read_up_to_a_limit(self, tmp_path: Path) -> None:
        async with served(tmp_path, whole(b"abcdef")) as api:
            assert await api.text("/log", at_most=4) == "abcd"
            assert await api.text("/log") == "abcdef"


class TestOnce:
    async def test_a_change_whose_answer_is_lost_is_not_sent_again(self, tmp_path: Path) -> None:
        """The connection that the question before it was answered on ends without an answer, as do all others."""
        asked: list[str] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    asked.append(head.split()[0].decode())
                    if not head.startswith(b"GET"):
                        break
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            writer.close()

        async with serving(tmp_path, answer) as api:
            await api.get("/version")
            with pytest.raises(Unreachable):
                await api.send(ApiCall(method="DELETE", path="/api/v1/namespaces/x/pods/web-0", line="kubectl delete"))
        assert asked == ["GET", "DELETE"]
