"""``python -m tests.kube.plane FOLDER COMMAND…``: a control plane of the programs in FOLDER while COMMAND runs.

COMMAND gets WARROOM_TEST_KUBECONFIG and the images' names; its exit status is this one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.kube.plane.kubelet import kubelet
from tests.ports import free_port

IMAGES = {"GOOD": "registry.test/app:good", "NEXT": "registry.test/app:next", "BAD": "registry.test/app:bad"}
WITHIN_S = 120.0
# Nodes are not to be judged, and there is no cloud.
CONTROLLERS = "*,-nodelifecycle,-nodeipam,-service,-route,-ttl"


@contextlib.contextmanager
def running(argv: list[str], log: Path) -> Iterator[None]:
    """Ended with the block, by its number."""
    with log.open("wb") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=log.parent)
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def until_ready(server: str, certificates: Path, token: str, log: Path) -> None:
    end = time.monotonic() + WITHIN_S
    request = urllib.request.Request(f"{server}/readyz", headers={"Authorization": f"Bearer {token}"})
    while True:
        with contextlib.suppress(OSError, ssl.SSLError, urllib.error.URLError):
            context = ssl.create_default_context(cafile=str(certificates / "apiserver.crt"))
            with urllib.request.urlopen(request, timeout=5, context=context) as reply:
                if reply.status == 200:
                    return
        if time.monotonic() > end:
            sys.exit(f"The API server was not ready within {WITHIN_S:g} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def kubeconfig(folder: Path, server: str, token: str) -> Path:
    authority = str(folder / "certificates" / "apiserver.crt")
    path = folder / "kubeconfig"
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "plane",
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "admin"}}],
        "clusters": [{"name": "plane", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "admin", "user": {"token": token}}],
    }
    path.write_text(json.dumps(whole))
    path.chmod(0o600)
    return path


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def plane(programs: Path, folder: Path) -> Iterator[Path]:
    """The kubeconfig of its administrator."""
    store, peers, port, token = free_port(), free_port(), free_port(), secrets.token_hex(16)
    server = f"https://127.0.0.1:{port}"
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{token},admin,admin,system:masters\n")
    tokens.chmod(0o600)
    openssl(folder, "genrsa", "-out", "accounts.key", "2048")
    subject = ("-subj", "/CN=node", "-days", "2", "-nodes", "-newkey", "rsa:2048")
    openssl(folder, "req", "-x509", *subject, "-keyout", "node.key", "-out", "node.crt")
    etcd = [f"--listen-client-urls=http://127.0.0.1:{store}", f"--advertise-client-urls=http://127.0.0.1:{store}"]
    etcd += [f"--listen-peer-urls=http://127.0.0.1:{peers}", "--data-dir=etcd", "--unsafe-no-fsync"]
    api = [f"--etcd-servers=http://127.0.0.1:{store}", f"--secure-port={port}", "--bind-address=127.0.0.1"]
    api += ["--advertise-address=127.0.0.1", "--cert-dir=certificates", "--service-cluster-ip-range=10.0.0.0/24"]
    api += ["--service-account-key-file=accounts.key", "--service-account-signing-key-file=accounts.key"]
    api += ["--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC"]
    api += ["--token-auth-file=tokens.csv", "--disable-admission-plugins=ServiceAccount"]
    api += ["--endpoint-reconciler-type=none", "--kubelet-preferred-address-types=InternalIP"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(running([str(programs / "etcd"), *etcd], folder / "etcd.log"))
        stack.enter_context(running([str(programs / "kube-apiserver"), *api], folder / "apiserver.log"))
        until_ready(server, folder / "certificates", token, folder / "apiserver.log")
        path = kubeconfig(folder, server, token)
        own = [f"--{name}={path}" for name in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
        own += ["--leader-elect=false", "--bind-address=127.0.0.1", "--port=0"]
        own += ["--kube-api-qps=200", "--kube-api-burst=400"]
        manager = ["--service-account-private-key-file=accounts.key", f"--controllers={CONTROLLERS}"]
        for program, more in {"kube-controller-manager": manager, "kube-scheduler": []}.items():
            place = [f"--secure-port={free_port()}", f"--cert-dir=certificates-{program}"]
            stack.enter_context(running([str(programs / program), *own, *place, *more], folder / f"{program}.log"))
        node = [sys.executable, "-m", "tests.kube.plane", "kubelet", server, token, str(folder)]
        stack.enter_context(nodes(node, folder / "kubelet.log"))
        yield path


@contextlib.contextmanager
def nodes(argv: list[str], log: Path) -> Iterator[None]:
    """Started from here, where the package is found."""
    with log.open("wb") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + WITHIN_S
        while b"ready" not in log.read_bytes():
            if child.poll() is not None or time.monotonic() > end:
                sys.exit(f"The nodes did not come up:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        child.kill()
        child.wait()


def main(words: list[str]) -> int:
    if words[:1] == ["kubelet"]:
        _, server, token, folder = words
        asyncio.run(kubelet(server, token, Path(folder, "node.crt"), Path(folder, "node.key")))
        return 0
    programs, *command = words
    with (
        tempfile.TemporaryDirectory(prefix="plane-") as folder,
        plane(Path(programs).resolve(), Path(folder)) as path,
    ):
        images = {f"WARROOM_TEST_IMAGE_{name}": image for name, image in IMAGES.items()}
        environment = {**os.environ, **images, "WARROOM_TEST_KUBECONFIG": str(path)}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
