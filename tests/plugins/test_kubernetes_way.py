"""The way to a cluster: as it is trusted, as whom it is asked, through which proxy, and when it is away."""

from __future__ import annotations

import asyncio
import base64
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.kube.access import TOKEN
from tests.kube.cluster import Cluster
from tests.plugins.kubernetes_reading import doors_of
from tests.plugins.kubernetes_ways import a_proxy, server, way
from warroom.api import BadInput, CannotLook, DoorRefused, TimedOut, Unreachable, WarroomError
from warroom_kubernetes.reach import asking
from warroom_kubernetes.reach.asking import (
    Forbidden,
    LoginRefused,
)
from warroom_kubernetes.reach.asking import cluster as opened

SYSTEM = "/api/v1/namespaces/kube-system"
pytestmark = pytest.mark.needs("kube-emulator")


async def uid(config: dict[str, Any]) -> str:
    async with doors_of(config) as doors, opened(doors.context) as api:
        return str((await api.get(SYSTEM))["metadata"]["uid"])


async def refused(config: dict[str, Any]) -> WarroomError:
    with pytest.raises(WarroomError) as problem:
        await uid(config)
    return problem.value


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

    async def test_a_program_that_takes_longer_than_a_question_may_is_waited_for_by_the_next(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        """A provider's login may take half a minute: begun anew with each question, it would never come to its end."""
        script, gate = self.program(tmp_path, TOKEN), tmp_path / "gate"
        wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
        script.write_text(script.read_text().replace("print(json", f"{wait}print(json"))
        config = {**way(cluster, tmp_path, user=self.user(script)), "login_programs": [str(script)]}
        async with doors_of({**config, "request_s": 0.5}) as doors, opened(doors.context) as api:
            for _ in range(2):
                with pytest.raises(TimedOut, match=r"The login for .* is not there"):
                    await api.get(SYSTEM)
            gate.touch()
            async with asyncio.timeout(60):
                while await trouble(api) is not None:
                    await asyncio.sleep(0.02)
        assert (tmp_path / "count").read_text() == "1"

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
            async with asyncio.timeout(60):
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

    async def test_the_machine_itself_asks_whether_the_other_end_is_there(
        self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What lies between forgets a connection that is quiet: a log that is followed may be for hours."""
        from warroom_kubernetes.reach import rest

        made, real = [], rest._connection

        def connection(address: tuple[Any, ...]) -> socket.socket:
            made.append(real(address))
            return made[-1]

        monkeypatch.setattr(rest, "_connection", connection)
        async with doors_of(way(cluster, tmp_path)) as doors, opened(doors.context) as api:
            await api.get(SYSTEM)
            assert made
            for one in made:
                assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                idle, between, times = (
                    one.getsockopt(socket.IPPROTO_TCP, each)
                    for each in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                )
                assert idle + between * times <= 30

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


async def trouble(api: asking.Cluster) -> Unreachable | TimedOut | None:
    """Why it does not answer; None when it does."""
    try:
        await api.get(SYSTEM)
    except (Unreachable, TimedOut) as error:
        return error
    return None
