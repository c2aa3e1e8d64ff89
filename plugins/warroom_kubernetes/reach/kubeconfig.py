"""Which cluster kubectl would talk to, and as whom: kubeconfig files, merged as kubectl does it, or the Pod's own."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warroom.api import BadInput
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach.entries import Entry, KubeFile, read_kubeconfig
from warroom_kubernetes.reach.proxies import proxy_for

IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a Pod finds its account's ``token``, ``ca.crt`` and ``namespace``."""
_SERVER = "https://HOST:PORT was expected"
_IN_HEADERS = frozenset(string.ascii_letters + string.digits + "!#$&'*+-.^_`|~")
"""What the name of a header may have, less %."""


@dataclass(frozen=True)
class Exec:
    """A program that gives a login. ``info`` is what it is told of the cluster where it wants to know."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"
    folder: str = ""
    """Of the file that names it."""
    interactive: str = "IfAvailable"
    hint: str = ""
    info: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class User:
    """Who asks. Values of secrets are never shown: ``repr`` leaves them out."""

    name: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    exec: Exec | None = None
    impersonate: tuple[tuple[str, str], ...] = ()
    """Headers."""


@dataclass(frozen=True)
class Reach:
    """One context, whole: where its cluster is, how it is trusted, who asks, and the namespace meant."""

    context: str
    server: str
    namespace: str
    user: User
    source: str
    """The file that the cluster stands in, for people."""
    ca: bytes = field(default=b"", repr=False)
    """PEM; empty for the machine's own list."""
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = field(default="", repr=False)
    """With its password where it has one."""


def reach(config: Config, environment: Mapping[str, str] | None = None, in_cluster: Path = IN_CLUSTER) -> Reach:
    """What ``config`` means on this machine. Reads files. Raises ``BadInput`` with the file and the place."""
    env = os.environ if environment is None else environment
    if config.in_cluster:
        return _own(config, env, in_cluster)
    files = _files(config, env)
    if not files and config.context is None and env.get("KUBERNETES_SERVICE_HOST") and (in_cluster / "token").exists():
        return _own(config, env, in_cluster)
    if not files:
        looked = ", ".join(str(path) for path in _paths(config, env)) or "no file is named"
        raise BadInput("There is no kubeconfig", f"looked for {looked}", "set KUBECONFIG, or kubeconfig in the runbook")
    return _meant(config, files, env)


def _paths(config: Config, env: Mapping[str, str]) -> list[Path]:
    if config.kubeconfig is not None:
        return [Path(config.kubeconfig)]
    if named := env.get("KUBECONFIG", ""):
        return list(dict.fromkeys(Path(os.path.abspath(part)) for part in named.split(os.pathsep) if part))
    return [Path(env.get("HOME") or Path.home()) / ".kube" / "config"]


def _files(config: Config, env: Mapping[str, str]) -> list[KubeFile]:
    """A file of KUBECONFIG that is not there counts for nothing; the one that the runbook names has to be."""
    paths = _paths(config, env)
    if config.kubeconfig is not None and not paths[0].exists():
        raise BadInput(f"The kubeconfig {paths[0]} is not there", "the runbook names it", "correct kubeconfig")
    return [read_kubeconfig(path) for path in paths if path.exists()]


def _meant(config: Config, files: list[KubeFile], env: Mapping[str, str]) -> Reach:
    """The first file that has an entry of a name has the whole of it, and the first to set the current context."""
    name = config.context or next((file.current for file in files if file.current), "")
    if not name:
        where = ", ".join(str(file.path) for file in files)
        raise BadInput("No context is meant", f"{where}: no current-context", "set context in the runbook")
    context = _named(files, "contexts", name)
    cluster = _named(files, "clusters", context.text("cluster", needed=True), context)
    user_name = context.text("user")
    user = _named(files, "users", user_name, context) if user_name else None
    server = server_of(cluster)
    return Reach(
        context=name,
        server=server,
        namespace=config.namespace or context.text("namespace") or "default",
        user=_user(user, cluster, server) if user is not None else User(),
        source=str(cluster.file.path),
        ca=cluster.data("certificate-authority"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
        tls_server_name=cluster.text("tls-server-name"),
        proxy=proxy_for(server, cluster.text("proxy-url"), env, str(cluster.file.path)),
    )


def _named(files: list[KubeFile], kind: str, name: str, asked_by: Entry | None = None) -> Entry:
    for file in files:
        if (found := file.entry(kind, name)) is not None:
            return found
    there = sorted({entry for file in files for entry in file.names(kind)})
    where = ", ".join(str(file.path) for file in files)
    listed = ", ".join(there[:8]) + (", …" if len(there) > 8 else "")
    asked = f", which {asked_by.place} names" if asked_by is not None else ""
    raise BadInput(
        f"The kubeconfig has no {kind[:-1]} {name!r}{asked}",
        f"{where}: {f'there are {listed}' if there else f'it has no {kind} at all'}",
        "correct context in the runbook, or the kubeconfig",
    )


def server_of(cluster: Entry) -> str:
    from urllib.parse import urlsplit

    from warroom.model.address import refused_host

    text = cluster.text("server", needed=True).rstrip("/")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise cluster.wrong("server", _SERVER) from None
    if parts.scheme not in ("https", "http") or not host or set("?#@ ") & set(text) or not text.isprintable():
        raise cluster.wrong("server", _SERVER)
    if refused := refused_host(host):
        raise cluster.wrong("server", refused)
    return text


def _user(user: Entry, cluster: Entry, server: str) -> User:
    if user.has("auth-provider"):
        provider = user.below("auth-provider").text("name") or "?"
        raise user.wrong(
            "auth-provider",
            f"logins by auth-provider ({provider}) are not made here: Kubernetes has given them up",
            "use an exec login, such as kubelogin or gke-gcloud-auth-plugin",
        )
    token_file = user.text("tokenFile")
    certificate, key = user.data("client-certificate"), user.data("client-key")
    if bool(certificate) != bool(key):
        missing = "client-key" if certificate else "client-certificate"
        raise user.wrong(missing, "a client certificate and its key belong together")
    return User(
        name=user.name,
        token=user.text("token"),
        token_file=user.file.folder / token_file if token_file else None,
        username=user.text("username"),
        password=user.text("password"),
        certificate=certificate,
        key=key,
        exec=_exec(user.below("exec"), cluster, server) if user.has("exec") else None,
        impersonate=_impersonated(user),
    )


def _exec(program: Entry, cluster: Entry, server: str) -> Exec:
    version = program.text("apiVersion", needed=True)
    if version not in ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"):
        raise program.wrong("apiVersion", "client.authentication.k8s.io/v1 or v1beta1 was expected")
    info: dict[str, Any] | None = None
    if program.flag("provideClusterInfo"):
        info = {"server": server, **_told(cluster)}
    return Exec(
        command=program.text("command", needed=True),
        args=program.texts("args"),
        env=dict(program.pairs("env")),
        api_version=version,
        folder=str(program.file.folder),
        interactive=program.text("interactiveMode") or "IfAvailable",
        hint=program.text("installHint"),
        info=info,
    )


def _told(cluster: Entry) -> dict[str, Any]:
    """What a login program hears of the cluster (Cluster of client.authentication.k8s.io)."""
    import base64

    told: dict[str, Any] = {}
    if ca := cluster.data("certificate-authority"):
        told["certificate-authority-data"] = base64.b64encode(ca).decode()
    if cluster.flag("insecure-skip-tls-verify"):
        told["insecure-skip-tls-verify"] = True
    for key in ("tls-server-name", "proxy-url"):
        if text := cluster.text(key):
            told[key] = text
    if (config := cluster.extension("client.authentication.k8s.io/exec")) is not None:
        told["config"] = config
    return told


def _impersonated(user: Entry) -> tuple[tuple[str, str], ...]:
    headers = [("Impersonate-User", user.text("as"))] if user.text("as") else []
    headers += [("Impersonate-Uid", user.text("as-uid"))] if user.text("as-uid") else []
    headers += [("Impersonate-Group", group) for group in user.texts("as-groups")]
    headers += [(f"Impersonate-Extra-{_header_key(key)}", value) for key, value in user.lists("as-user-extra")]
    return tuple(headers)


def _header_key(key: str) -> str:
    """As client-go writes it: each byte that no header's name may have, and ``%``, as ``%XX``."""
    return "".join(chr(byte) if chr(byte) in _IN_HEADERS else f"%{byte:02X}" for byte in key.encode())


def _own(config: Config, env: Mapping[str, str], folder: Path) -> Reach:
    """The cluster that this runs in. Its token is read again as it is renewed."""
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdigit():
        raise BadInput("This is no Pod of a cluster", "KUBERNETES_SERVICE_HOST is not set", "name a kubeconfig")
    try:
        ca = (folder / "ca.crt").read_bytes()
        own = folder / "namespace"
        namespace = own.read_text("utf-8").strip() if own.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadInput("The Pod's own account can't be read", f"{folder}: {why}", "mount its token") from None
    return Reach(
        context="in-cluster",
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=config.namespace or namespace or "default",
        user=User(name="the Pod's account", token_file=folder / "token"),
        source=str(folder),
        ca=ca,
    )
