"""What a runbook says of a cluster, and what the machine's kubeconfigs make of it. Nothing is asked of anybody."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from warroom.api import BadInput
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach.kubeconfig import Reach, reach
from warroom_kubernetes.reach.paths import RESOURCES, VERSIONS, group_of, kubectl_name, path, service_proxy
from warroom_kubernetes.reach.plainly import Odd, documents
from warroom_kubernetes.reach.proxies import proxy_for

Json = dict[str, Any]
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def config(**more: Any) -> Config:
    return Config.model_validate({"workloads": {"web": {}}, **more})


def kubeconfig(
    context: str = "shop",
    cluster: Json | None = None,
    user: Json | None = None,
    *,
    names: tuple[str, str] = ("c", "u"),
    current: bool = True,
    **in_context: str,
) -> Json:
    """One context of this name, with one cluster and one user."""
    made: Json = {
        "clusters": [{"name": names[0], "cluster": {"server": "https://127.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": names[1], "user": user or {"token": "t"}}],
        "contexts": [{"name": context, "context": {"cluster": names[0], "user": names[1], **in_context}}],
    }
    return {**made, "current-context": context} if current else made


def written(folder: Path, content: Json | str, name: str = "config") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return file


def reached(file: Path, **more: Any) -> Reach:
    return reach(config(kubeconfig=str(file), **more), {})


def refused(file: Path, **more: Any) -> BadInput:
    with pytest.raises(BadInput) as problem:
        reached(file, **more)
    return problem.value


def test_a_manifest_is_read_as_plain_json_document_by_document() -> None:
    assert list(documents("at: 2026-01-01\n---\n---\n- 1\n")) == [{"at": "2026-01-01"}, None, [1]]
    with pytest.raises(Odd):
        list(documents("&a [*a]"))


class TestConfig:
    def test_the_first_workload_is_the_release_unless_another_is_named(self) -> None:
        both = {"web": {"name": "web-frontend", "writer": True}, "worker": {"kind": "StatefulSet"}}
        assert config(workloads=both).released == "web"
        assert config(workloads=both, release="worker").released == "worker"
        assert config(workloads=both).object_name("web") == "web-frontend"
        assert config(workloads=both).writers == ("web",)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"workloads": {}},
            {"workloads": {"Web": {}}},
            {"workloads": {"../secrets": {}}},
            {"workloads": {"web": {"name": "a/b"}}},
            {"workloads": {"web": {"kind": "Pod"}}},
            {"workloads": {"web": {"version_path": "/v"}}},
            {"workloads": {"agent": {"kind": "DaemonSet", "writer": True}}},
            {"workloads": {"night": {"kind": "CronJob", "with_release": True}}},
            {"workloads": {"web": {"service": "web", "version_path": "/../v"}}},
            {"workloads": {"web": {"version_url": "https://u:p@shop/v"}}},
            {"workloads": {"web": {}, "again": {"name": "web"}}},
            {"release": "worker"},
            {"namespace": "a.b"},
            {"context": "--server=x"},
            {"context": "a\nb"},
            {"kubeconfig": "relative"},
            {"in_cluster": True, "context": "shop"},
            {"login_programs": ["sh -c x"]},
            {"request_s": 0},
            {"unknown": 1},
        ],
        ids=lambda wrong: next(iter(wrong)) if isinstance(wrong, dict) else None,
    )
    def test_what_is_wrong_is_refused(self, wrong: Json) -> None:
        with pytest.raises(ValidationError):
            config(**wrong)

    def test_a_context_is_named_as_cloud_providers_name_theirs(self) -> None:
        name = "arn:aws:eks:eu-central-1:123456789012:cluster/shop"
        assert config(context=name).context == name


class TestPaths:
    def test_they_are_the_api_s(self) -> None:
        assert path("v1", "namespaces", name="kube-system") == "/api/v1/namespaces/kube-system"
        assert path("apps/v1", "deployments", namespace="shop", name="web", sub="scale") == (
            "/apis/apps/v1/namespaces/shop/deployments/web/scale"
        )
        assert path("batch/v1", "cronjobs", namespace="shop") == "/apis/batch/v1/namespaces/shop/cronjobs"
        assert path("v1", "pods", namespace="shop", name="web-0", sub="log").endswith("/shop/pods/web-0/log")
        assert service_proxy("shop", "web", "/api/version") == (
            "/api/v1/namespaces/shop/services/web/proxy/api/version"
        )

    def test_each_resource_is_in_one_group_whatever_its_version(self) -> None:
        assert set(RESOURCES.values()) <= VERSIONS.keys()
        for resource, known in VERSIONS.items():
            assert {one.rpartition("/")[0] for one in known} == {group_of(resource)}
            assert [path(one, resource) for one in known]
        assert kubectl_name("cronjobs", "batch/v1beta1") == "cronjobs.v1beta1.batch"
        assert kubectl_name("pods", "v1") == "pods"

    @pytest.mark.parametrize("name", ["a/b", "..", "A", "-a", "a?x=y", "a%2fb", "a" * 254, "a\n", "a b", "ü"])
    def test_what_is_no_name_stands_in_none(self, name: str) -> None:
        for asked in ({"namespace": name}, {"namespace": "shop", "name": name}):
            with pytest.raises(BadInput):
                path("apps/v1", "deployments", **asked)
        with pytest.raises(BadInput):
            path("apps/v1", "deployments", namespace="shop", name="web", sub=name)

    def test_no_version_and_no_resource_leads_elsewhere(self) -> None:
        for group_version, resource in (("apps", "pods"), ("../v1", "pods"), ("v1", "pods/x"), ("v1", "")):
            with pytest.raises(BadInput):
                path(group_version, resource)


class TestKubeconfig:
    def test_a_context_names_a_cluster_a_user_and_a_namespace(self, tmp_path: Path) -> None:
        file = written(tmp_path, kubeconfig(cluster={"tls-server-name": "kube.example"}, namespace="orders"))
        found = reached(file)
        assert (found.context, found.server, found.namespace) == ("shop", "https://127.0.0.1:6443", "orders")
        assert found.tls_server_name == "kube.example"
        assert found.user.token == "t"
        assert reached(file, namespace="other").namespace == "other"

    def test_secrets_are_not_shown(self, tmp_path: Path) -> None:
        user = {"token": "tok-4711", "username": "u", "password": "pass-4711"}
        assert "4711" not in repr(reached(written(tmp_path, kubeconfig(user=user))))

    def test_files_are_relative_to_the_kubeconfig_that_names_them(self, tmp_path: Path) -> None:
        (tmp_path / "keys").mkdir()
        for name in ("ca", "crt", "key"):
            (tmp_path / "keys" / name).write_text(name)
        user = {"client-certificate": "keys/crt", "client-key": "keys/key", "tokenFile": "keys/token"}
        found = reached(written(tmp_path, kubeconfig(cluster={"certificate-authority": "keys/ca"}, user=user)))
        assert (found.ca, found.user.certificate, found.user.key) == (b"ca", b"crt", b"key")
        assert found.user.token_file == tmp_path / "keys" / "token"

    def test_data_counts_before_a_file(self, tmp_path: Path) -> None:
        data = base64.b64encode(b"given").decode()
        cluster = {"certificate-authority-data": data, "certificate-authority": "not-there"}
        assert reached(written(tmp_path, kubeconfig(cluster=cluster))).ca == b"given"

    def test_several_are_merged_and_the_first_counts(self, tmp_path: Path) -> None:
        first = written(tmp_path, kubeconfig("a", user={"token": "first"}, current=False), "a/config")
        second = written(tmp_path, kubeconfig("b", user={"token": "second"}), "b/config")
        env = {"KUBECONFIG": f"{tmp_path / 'not-there'}:{first}::{second}"}
        found = reach(config(), env)
        assert (found.context, found.user.token) == ("b", "first"), "the whole of the first user u, the context of b"
        third = written(tmp_path, kubeconfig("c"), "c/config")
        assert reach(config(), {"KUBECONFIG": f"{third}:{second}"}).context == "c"
        assert reach(config(context="b"), {"KUBECONFIG": f"{third}:{second}"}).context == "b"

    def test_without_kubeconfig_it_is_the_one_at_home(self, tmp_path: Path) -> None:
        written(tmp_path, kubeconfig("home"), ".kube/config")
        assert reach(config(), {"HOME": str(tmp_path)}).context == "home"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("clusters: [\n", "no YAML"),
            ("- a\n- b\n", ":1: a map was expected"),
            ("current-context: shop\nclusters: nothing\n", ":2: clusters: a list was expected"),
            ("clusters:\n- cluster: {}\n", ":2: clusters: an entry with a name was expected"),
            ("contexts:\n- name: shop\n  context: 7\n", ":2: contexts: context of 'shop': a map was expected"),
            ("current-context: [a]\n", ":1: current-context: a text was expected"),
            ("a: !!python/object/apply:os.system [id]\n", "no YAML"),
            ("\xff", "no YAML"),
            ("{" * 100_000, "no YAML"),
        ],
        ids=["open", "list", "clusters", "nameless", "context", "current", "object", "letter", "deep"],
    )
    def test_a_broken_one_is_told_with_its_place(self, tmp_path: Path, text: str, said: str) -> None:
        file = written(tmp_path, text)
        problem = refused(file, context="shop") if text != "\xff" else refused(file)
        if text == "\xff":
            assert "a map was expected" in problem.cause
        else:
            assert said in problem.cause
        assert str(file) in problem.title + problem.cause

    def test_a_file_that_is_no_text_is_told(self, tmp_path: Path) -> None:
        file = tmp_path / "config"
        file.write_bytes(b"\xfe\xed\xfa")
        assert "UTF-8" in refused(file).cause

    @pytest.mark.parametrize(
        ("cluster", "user", "said"),
        [
            ({"server": 7}, {}, "server of cluster 'c': a text was expected"),
            ({"server": "ftp://x"}, {}, "https://HOST:PORT was expected"),
            ({"server": "https://169.254.169.254"}, {}, "metadata"),
            ({"server": "https://user:pw@host"}, {}, "https://HOST:PORT was expected"),
            ({"certificate-authority": "missing.crt"}, {}, "missing.crt: no such file"),
            ({"certificate-authority-data": "%%%"}, {}, "base64 was expected"),
            ({"insecure-skip-tls-verify": "yes"}, {}, "true or false was expected"),
            ({"proxy-url": "socks5://127.0.0.1:1"}, {}, "SOCKS is not spoken"),
            ({}, {"auth-provider": {"name": "gcp"}}, "auth-provider (gcp) are not made here"),
            ({}, {"client-certificate-data": "YQ=="}, "belong together"),
            ({}, {"exec": {"command": "aws"}}, "apiVersion of exec of user 'u': it is missing"),
            ({}, {"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}, "command of exec of user 'u'"),
            ({}, {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, "v1beta1"),
            ({}, {"token": "secret-value", "tokenFile": 3}, "tokenFile of user 'u'"),
        ],
    )
    def test_what_is_wrong_in_an_entry_is_told_with_its_line_and_never_its_value(
        self, tmp_path: Path, cluster: Json, user: Json, said: str
    ) -> None:
        file = written(tmp_path, kubeconfig(cluster=cluster, user=user or {"token": "secret-value"}))
        problem = refused(file)
        assert said in problem.cause
        assert f"{file}:" in problem.cause or "proxy" in problem.title.lower()
        assert "secret-value" not in str(problem)

    def test_the_line_is_that_of_the_key(self, tmp_path: Path) -> None:
        file = written(tmp_path, kubeconfig(cluster={"insecure-skip-tls-verify": 1}))
        line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "insecure-skip" in text)
        assert f"{file}:{line}: insecure-skip-tls-verify" in refused(file).cause

    def test_a_context_that_is_not_there_is_told_with_those_that_are(self, tmp_path: Path) -> None:
        problem = refused(written(tmp_path, kubeconfig("staging")), context="prod")
        assert "no context 'prod'" in problem.title
        assert "there are staging" in problem.cause

    def test_no_kubeconfig_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="There is no kubeconfig"):
            reach(config(), {"HOME": str(tmp_path)})
        assert "is not there" in refused(tmp_path / "none").title
        assert "No context is meant" in refused(written(tmp_path, kubeconfig(current=False))).title

    def test_impersonation_goes_along(self, tmp_path: Path) -> None:
        extra = {"scopes": ["view", "roll back"], "example.com/Team A%": ["shop"]}
        user = {"token": "t", "as": "deployer", "as-uid": "u1", "as-groups": ["a", "b"], "as-user-extra": extra}
        found = reached(written(tmp_path, kubeconfig(user=user))).user.impersonate
        assert found == (
            ("Impersonate-User", "deployer"),
            ("Impersonate-Uid", "u1"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
            ("Impersonate-Extra-scopes", "view"),
            ("Impersonate-Extra-scopes", "roll back"),
            ("Impersonate-Extra-example.com%2FTeam%20A%25", "shop"),
        )

    @pytest.mark.parametrize("extra", [["a"], {"a": "b"}, {"a": [1]}, {"": ["a"]}, {"a": ["b\r\nX-Header: c"]}])
    def test_what_can_be_no_extra_field_is_refused(self, tmp_path: Path, extra: Any) -> None:
        user = {"token": "t", "as": "deployer", "as-user-extra": extra}
        told = refused(written(tmp_path, kubeconfig(user=user))).cause
        assert "as-user-extra of user 'u': a map of lists of texts, each of one line, was expected" in told


class TestInCluster:
    def account(self, folder: Path) -> Path:
        folder.mkdir()
        for name, text in (("token", "pod-token"), ("ca.crt", "ca"), ("namespace", "orders\n")):
            (folder / name).write_text(text)
        return folder

    def test_it_is_taken_where_there_is_no_kubeconfig(self, tmp_path: Path) -> None:
        account = self.account(tmp_path / "account")
        found = reach(config(), {**POD, "HOME": str(tmp_path)}, account)
        assert (found.server, found.namespace, found.ca) == ("https://10.96.0.1:443", "orders", b"ca")
        assert found.user.token_file == account / "token"

    def test_a_kubeconfig_goes_before_it_and_a_context_never_means_it(self, tmp_path: Path) -> None:
        account = self.account(tmp_path / "account")
        with pytest.raises(BadInput, match="There is no kubeconfig"):
            reach(config(context="shop"), {**POD, "HOME": str(tmp_path)}, account)
        written(tmp_path, kubeconfig("home"), ".kube/config")
        assert reach(config(), {**POD, "HOME": str(tmp_path)}, account).context == "home"
        assert reach(config(in_cluster=True), {**POD, "HOME": str(tmp_path)}, account).context == "in-cluster"

    def test_elsewhere_it_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="no Pod"):
            reach(config(in_cluster=True), {}, tmp_path)
        with pytest.raises(BadInput, match="account can't be read"):
            reach(config(in_cluster=True), POD, tmp_path)


class TestProxies:
    def test_the_kubeconfig_s_goes_before_the_environment_s(self) -> None:
        env = {"HTTPS_PROXY": "http://environment:1"}
        assert proxy_for("https://kube.example", "http://own:2", env, "f") == "http://own:2"
        assert proxy_for("https://kube.example", "", env, "f") == "http://environment:1"
        assert proxy_for("http://kube.example", "", env, "f") == ""
        assert proxy_for("https://kube.example", "", {"https_proxy": "plain:3"}, "f") == "http://plain:3"

    @pytest.mark.parametrize(
        ("server", "exceptions", "direct"),
        [
            ("https://127.0.0.1:6443", "", True),
            ("https://localhost", "", True),
            ("https://[::1]:6443", "", True),
            ("https://kube.example", "*", True),
            ("https://kube.example", "kube.example", True),
            ("https://api.kube.example", "kube.example", True),
            ("https://notkube.example", "kube.example", False),
            ("https://kube.example", ".kube.example", False),
            ("https://api.kube.example", ".kube.example", True),
            ("https://api.kube.example", "*.kube.example", True),
            ("https://10.1.2.3", "10.0.0.0/8", True),
            ("https://11.1.2.3", "10.0.0.0/8", False),
            ("https://10.1.2.3", "10.1.2.3", True),
            ("https://10.1.2.3:6443", "10.1.2.3:443", False),
            ("https://10.1.2.3:6443", "10.1.2.3:6443", True),
            ("https://kube.example:6443", "other, kube.example:6443", True),
            ("https://kube.example:6443", "kube.example:443", False),
            ("https://[fd00::1]:6443", "fd00::/8", True),
        ],
    )
    def test_no_proxy_is_read_as_kubectl_reads_it(self, server: str, exceptions: str, direct: bool) -> None:
        env = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": exceptions}
        assert (proxy_for(server, "", env, "f") == "") is direct

    @pytest.mark.parametrize(
        "proxy", ["socks5://h:1", "ftp://h", "http://", "http://h:99999", "http://169.254.169.254"]
    )
    def test_what_is_no_proxy_is_refused(self, proxy: str) -> None:
        with pytest.raises(BadInput, match="The proxy can't be used"):
            proxy_for("https://kube.example", proxy, {}, "f")
