"""Questions to a cluster over the plugin's own connections: as it is trusted, as whom, on which way, and how long."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import JsonValue

from tests.kube.access import TOKEN
from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import config_of, doors_of, reading
from tests.plugins.kubernetes_ways import a_proxy, server, way
from warroom.api import BadInput, CannotLook, DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model.call import ApiCall
from warroom_kubernetes import asking, client
from warroom_kubernetes.asking import (
    ApiRefused,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    LoginRefused,
    NotThere,
)
from warroom_kubernetes.asking import cluster as opened
from warroom_kubernetes.client import Query
from warroom_kubernetes.paths import path, workload_path

SYSTEM = "/api/v1/namespaces/kube-system"
emulated = pytest.mark.needs("kube-emulator")


async def uid(config: dict[str, Any]) -> str:
    async with doors_of(config) as doors, opened(doors.context) as api:
        return str((await api.get(SYSTEM))["metadata"]["uid"])


async def refused(config: dict[str, Any]) -> WarroomError:
    with pytest.raises(WarroomError) as problem:
        await uid(config)
    return problem.value


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
            with pytest.raises(NotThere, match=r'deployments\.apps "worker" not found') as missing:
                await api.get(workload_path("Deployment", namespace.name, "worker"))
            assert (missing.value.status, missing.value.reason) == (404, "NotFound")
            with pytest.raises(Conflict) as there:
                await api.dry_run("POST", workload_path("Deployment", namespace.name), copied(web.get()))
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
                async with asyncio.timeout(30):
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


@emulated
class TestTrust:
    async def test_the_kubeconfig_s_own_ca_as_a_file_and_as_data(self, cluster: Cluster, tmp_path: Path) -> None:
        assert await uid(way(cluster, tmp_path)) == cluster.uid()
        ca = base64.b64encode((cluster.kubeconfig.parent / "ca.crt").read_bytes()).decode()
        assert await uid(way(cluster, tmp_path, trust={"certificate-authority-data": ca})) == cluster.uid()

    async def test_another_s_certificate_is_not_trusted(self, cluster: Cluster, tmp_path: Path) -> None:
        problem = await refused(way(cluster, tmp_path, trust={}))
        assert isinstance(problem, CannotLook), "nothing is said of the cluster"
        assert "its certificate is not trusted" in problem.cause

    async def test_the_name_is_checked_as_the_kubeconfig_says(self, cluster: Cluster, tmp_path: Path) -> None:
        own = {"certificate-authority": str(cluster.kubeconfig.parent / "ca.crt")}
        named = way(cluster, tmp_path, trust={**own, "tls-server-name": "kubernetes.default.svc"})
        assert await uid(named) == cluster.uid()
        problem = await refused(way(cluster, tmp_path, trust={**own, "tls-server-name": "other.example"}))
        assert isinstance(problem, CannotLook)
        assert "other.example" in problem.cause

    async def test_whoever_asks_for_it_trusts_anybody(self, cluster: Cluster, tmp_path: Path) -> None:
        assert await uid(way(cluster, tmp_path, trust={"insecure-skip-tls-verify": True})) == cluster.uid()

    async def test_what_is_no_ca_is_told(self, cluster: Cluster, tmp_path: Path) -> None:
        data = base64.b64encode(b"no certificate").decode()
        assert "CA can't be used" in str(
            await refused(way(cluster, tmp_path, trust={"certificate-authority-data": data}))
        )


@emulated
class TestLogins:
    def certificate(self, cluster: Cluster, key: Path | None = None) -> dict[str, Any]:
        folder = cluster.kubeconfig.parent
        files = (("client-certificate-data", folder / "user.crt"), ("client-key-data", key or folder / "user.key"))
        return {name: base64.b64encode(file.read_bytes()).decode() for name, file in files}

    async def test_a_client_certificate_from_data_leaves_no_file(
        self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        empty = tmp_path / "tmp"
        empty.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(empty))
        assert await uid(way(cluster, tmp_path, user=self.certificate(cluster))) == cluster.uid()
        assert list(empty.iterdir()) == []

    async def test_a_key_that_is_encrypted_is_told_and_asked_of_nobody(self, cluster: Cluster, tmp_path: Path) -> None:
        key, locked = cluster.kubeconfig.parent / "user.key", tmp_path / "locked.key"
        argv = ["openssl", "pkcs8", "-topk8", "-in", str(key), "-out", str(locked), "-passout", "pass:x"]
        subprocess.run(argv, check=True, capture_output=True, timeout=30)
        problem = await refused(way(cluster, tmp_path, user=self.certificate(cluster, locked)))
        assert isinstance(problem, BadInput)
        assert "its key is encrypted" in problem.cause

    async def test_a_key_of_another_certificate_is_told(self, cluster: Cluster, tmp_path: Path) -> None:
        other = self.certificate(cluster, cluster.kubeconfig.parent / "server.key")
        assert "does not fit its key" in str(await refused(way(cluster, tmp_path, user=other)))

    async def test_a_login_that_is_refused_is_told(self, cluster: Cluster, tmp_path: Path) -> None:
        problem = await refused(way(cluster, tmp_path, user={"token": "not-this-one"}))
        assert isinstance(problem, LoginRefused)
        assert "not-this-one" not in str(problem)

    async def test_a_token_that_is_replaced_while_we_run_is_taken_up(self, cluster: Cluster, tmp_path: Path) -> None:
        config = way(cluster, tmp_path)
        async with doors_of(config) as doors, opened(doors.context) as api:
            await api.get(SYSTEM)
            cluster.steer.tokens("tok-of-tomorrow")
            way(cluster, tmp_path, user={"token": "tok-of-tomorrow"})
            assert await api.get(SYSTEM)

    async def test_no_new_login_goes_to_another_cluster(self, cluster: Cluster, tmp_path: Path) -> None:
        config = way(cluster, tmp_path)
        async with doors_of(config) as doors, opened(doors.context) as api:
            await api.get(SYSTEM)
            cluster.steer.tokens("tok-of-tomorrow")
            way(cluster, tmp_path, trust={"insecure-skip-tls-verify": True}, user={"token": "tok-of-tomorrow"})
            with pytest.raises(BadInput, match="means another cluster"):
                await api.get(SYSTEM)

    def program(self, folder: Path, *tokens: str) -> Path:
        """One that gives these tokens, one after the other, and the last for ever."""
        count, script = folder / "count", folder / "login"
        count.write_text("0")
        script.write_text(
            f"#!{sys.executable}\nimport json, os, pathlib\n"
            f"count = pathlib.Path({str(count)!r}); n = int(count.read_text()); count.write_text(str(n + 1))\n"
            f"tokens = {list(tokens)!r}\n"
            "asked = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
            "status = {'token': tokens[min(n, len(tokens) - 1)]}\n"
            "print(json.dumps({'apiVersion': asked['apiVersion'], 'kind': 'ExecCredential', 'status': status}))\n"
        )
        script.chmod(0o700)
        return script

    def user(self, script: Path) -> dict[str, Any]:
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": f"./{script.name}", "args": []}}

    async def test_a_program_logs_in_and_again_when_its_token_is_refused(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        script = self.program(tmp_path, TOKEN, "tok-renewed")
        config = {**way(cluster, tmp_path, user=self.user(script)), "login_programs": [str(script)]}
        async with doors_of(config) as doors:
            async with opened(doors.context) as api:
                await asyncio.gather(*(api.get(SYSTEM) for _ in range(5)))
            assert (tmp_path / "count").read_text() == "1"
            cluster.steer.tokens("tok-renewed")
            async with opened(doors.context) as api:
                await asyncio.gather(*(api.get(SYSTEM) for _ in range(5)))
            assert (tmp_path / "count").read_text() == "2", "a login outlives connections"
            cluster.steer.tokens("none-of-these")
            async with opened(doors.context) as api:
                with pytest.raises(LoginRefused):
                    await api.get(SYSTEM)
        assert (tmp_path / "count").read_text() == "3", "tried once more, and not for ever"
        assert doors.redactor.clean("it said tok-renewed") != "it said tok-renewed"
        text = "\n".join(doors.lines())
        assert shlex.quote(str(script)) in text
        assert TOKEN not in text
        assert "tok-renewed" not in text

    async def test_a_program_that_is_not_listed_is_not_started(self, cluster: Cluster, tmp_path: Path) -> None:
        script = self.program(tmp_path, TOKEN)
        problem = await refused(way(cluster, tmp_path, user=self.user(script)))
        assert isinstance(problem, BadInput)
        assert "login_programs" in problem.hint
        assert (tmp_path / "count").read_text() == "0"

    async def test_what_is_forbidden_is_told_apart(self, cluster: Cluster, tmp_path: Path) -> None:
        cluster.steer.deny("get", "namespaces")
        problem = await refused(way(cluster, tmp_path))
        assert isinstance(problem, Forbidden)
        assert "is forbidden" in problem.cause


@emulated
class TestTheWay:
    async def test_the_kubeconfig_s_proxy_carries_tls_to_the_cluster(self, cluster: Cluster, tmp_path: Path) -> None:
        own = {"certificate-authority": str(cluster.kubeconfig.parent / "ca.crt")}
        async with a_proxy() as proxy:
            with_password = proxy.url.replace("http://", "http://me:pw-4711@")
            config = way(cluster, tmp_path, trust={**own, "proxy-url": with_password})
            assert await uid(config) == cluster.uid()
            proxy.refuses = 407
            problem = await refused(config)
        host = server(cluster).removeprefix("https://")
        basic = base64.b64encode(b"me:pw-4711").decode()
        assert proxy.asked[0].startswith(f"CONNECT {host} HTTP/1.1")
        assert proxy.asked[0].endswith(f"Basic {basic}")
        assert isinstance(problem, CannotLook)
        assert "answered 407" in problem.cause
        assert "pw-4711" not in str(problem)

    async def test_a_proxy_that_is_away_says_nothing_of_the_cluster(self, cluster: Cluster, tmp_path: Path) -> None:
        problem = await refused(way(cluster, tmp_path, trust={"proxy-url": "http://127.0.0.1:9"}))
        assert isinstance(problem, CannotLook)
        assert "the proxy 127.0.0.1:9" in problem.cause

    async def test_a_cluster_that_is_away_is_told_and_asked_again_when_it_is_back(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        async with doors_of(way(cluster, tmp_path)) as doors, opened(doors.context) as api:
            await api.get(SYSTEM)
            restarting = asyncio.ensure_future(asyncio.to_thread(cluster.steer.restart, 0.5))
            async with asyncio.timeout(30):
                while (problem := await trouble(api)) is None:
                    await asyncio.sleep(0.01)
                assert type(problem) is Unreachable
                await restarting
                while await trouble(api) is not None:
                    await asyncio.sleep(0.05)

    async def test_one_that_takes_connections_and_says_nothing_is_late(self, cluster: Cluster, tmp_path: Path) -> None:
        config = {**way(cluster, tmp_path), "request_s": 0.5}
        async with doors_of(config) as doors, opened(doors.context) as api:
            await api.get(SYSTEM, timeout=20)
            cluster.steer.mute()
            with pytest.raises(TimedOut, match=r"0\.5 s"):
                await api.get(SYSTEM)
            cluster.steer.mute(False)
        assert re.search(r"get --raw \S+  # .*did not answer", doors.lines()[-1])

    async def test_one_that_is_busy_is_asked_again(self, cluster: Cluster, tmp_path: Path) -> None:
        cluster.steer.fail("kube-system", 429, times=1, wait_s=1)
        assert await uid(way(cluster, tmp_path)) == cluster.uid()

    async def test_a_name_that_leads_to_a_metadata_service_is_not_asked(
        self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lead(self: object, host: str, port: int = 0, family: int = 0) -> Sequence[dict[str, Any]]:
            return [{"hostname": host, "host": "169.254.169.254", "port": port, "family": 2, "proto": 6, "flags": 0}]

        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", lead)
        config = way(cluster, tmp_path)
        file = Path(config["kubeconfig"])
        file.write_text(file.read_text().replace("127.0.0.1", "kube.example"))
        problem = await refused(config)
        assert isinstance(problem, DoorRefused)
        assert "link-local" in problem.cause or "metadata" in problem.cause

    async def test_a_name_that_nobody_knows_says_nothing_of_the_cluster(self, cluster: Cluster, tmp_path: Path) -> None:
        config = way(cluster, tmp_path)
        file = Path(config["kubeconfig"])
        file.write_text(file.read_text().replace("127.0.0.1", "kube.invalid"))
        problem = await refused(config)
        assert isinstance(problem, CannotLook)
        assert "can't be resolved" in problem.cause


async def trouble(api: asking.Cluster) -> Unreachable | None:
    """Why it does not answer; None when it does."""
    try:
        await api.get(SYSTEM)
    except Unreachable as error:
        return error
    return None
