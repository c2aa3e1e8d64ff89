"""Keeps one Docker engine alive for as long as somebody uses it: the programs that ``tests/docker_engine.py`` starts.

``supervise FOLDER`` runs outside and ``init FOLDER`` as the first process of a PID and mount namespace that holds
containerd, dockerd, the registry and every container. Whoever uses the engine has a shared lock on ``users``; the
kernel gives it back however that process ends. Once nobody has one, the supervisor kills the namespace's first
process, by which the kernel kills all of them and takes back every mount. What a killed supervisor left behind is
swept away by the next one.

The engine has its own data, sockets, containerd, engine ID and subnet. It leaves the machine's packet filter as it
is (a dockerd empties chains that others of its kind made), but for one rule that lets its own containers talk.

The standard library alone: it is also asked, before anything is installed, whether an engine can be had here.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

PREFIX = "wr-docker-"
"""Of every engine's folder. Short: the paths of Unix sockets end at 107 bytes."""
PATH = f"{os.environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
"""Not everybody has the folders of the system's own programs on theirs."""
PAUSE = 0.1


@dataclass(frozen=True)
class Options:
    """``registry_port`` 0: no registry. ``data_size`` as tmpfs has it (``64m``): a small disk; "" the folder's own."""

    registry_port: int = 0
    data_size: str = ""

    @classmethod
    def of(cls, folder: Path) -> Options:
        return cls(**json.loads((folder / "options.json").read_text()))

    def write(self, folder: Path) -> None:
        (folder / "options.json").write_text(json.dumps(asdict(self)))


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def locked(path: Path, how: int) -> IO[bytes] | None:
    """The open file that holds the lock, or None where it can't be had at once (with LOCK_NB)."""
    file = path.open("ab")
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        file.close()
        return None
    return file


# ---- the network, which is the machine's own: 127.0.0.1 means the same to tests and to published ports


class Network:
    """A /16 that nobody uses here, the default bridge in it, and the rule for its containers."""

    def __init__(self, folder: Path) -> None:
        self.bridge = f"wr{folder.name.removeprefix(PREFIX)[:12]}"
        self.noted = folder / "subnet"

    def make(self) -> None:
        one_at_a_time = os.open(self.noted.parent.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            subnet = self._unused()
            self.noted.write_text(str(subnet))
            run("ip", "link", "add", "name", self.bridge, "type", "bridge")
            run("ip", "addr", "add", f"{subnet[1]}/24", "dev", self.bridge)
            run("ip", "link", "set", self.bridge, "up")
        finally:
            os.close(one_at_a_time)
        # Where bridged traffic goes through the packet filter, another dockerd's policy would drop it.
        run("iptables", "-w", "-I", "FORWARD", *self._rule(str(subnet)))

    def _unused(self) -> ipaddress.IPv4Network:
        words = (run("ip", "-4", "addr") + run("ip", "-4", "route")).split()
        taken = []
        for word in words:
            with contextlib.suppress(ValueError):
                taken.append(ipaddress.IPv4Network(word, strict=False))
        taken = [net for net in taken if net.prefixlen]
        for second in random.sample(range(100, 250), 150):
            subnet = ipaddress.IPv4Network(f"10.{second}.0.0/16")
            if not any(subnet.overlaps(net) for net in taken):
                return subnet
        raise RuntimeError("no subnet 10.100.0.0/16 to 10.249.0.0/16 is unused here")

    @staticmethod
    def _rule(subnet: str) -> list[str]:
        return ["-s", subnet, "-d", subnet, "-m", "comment", "--comment", "warroom tests", "-j", "ACCEPT"]

    def remove(self) -> None:
        if not self.noted.exists():
            return
        subnet = ipaddress.IPv4Network(self.noted.read_text())
        run("iptables", "-w", "-D", "FORWARD", *self._rule(str(subnet)), check=False)
        for line in run("ip", "-o", "-4", "addr").splitlines():
            _, link, _, address, *_ = line.split()
            if ipaddress.IPv4Interface(address).ip in subnet:
                run("ip", "link", "del", link, check=False)
        run("ip", "link", "del", self.bridge, check=False)


# ---- outside


def supervise(folder: Path) -> int:
    held = locked(folder / "supervisor", fcntl.LOCK_EX | fcntl.LOCK_NB)
    if held is None:
        raise RuntimeError("somebody looks after this engine already")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    (folder / "supervisor.pid").write_text(str(os.getpid()))
    sweep(folder)
    network = Network(folder)
    inner: subprocess.Popen[bytes] | None = None
    last_user: IO[bytes] | None = None
    try:
        network.make()
        inner = subprocess.Popen([*NAMESPACE, sys.executable, "-I", __file__, "init", str(folder)])
        (folder / "inner.pid").write_text(str(inner.pid))
        while last_user is None and inner.poll() is None:
            last_user = locked(folder / "users", fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(PAUSE)
        return inner.returncode or 0
    finally:
        if inner is not None:
            inner.kill()
            inner.wait()
        network.remove()
        if last_user is not None:
            remove(folder)


NAMESPACE = [
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "slave", "--pid", "--mount-proc"),
    *("--fork", "--kill-child=SIGKILL", "--"),
]


def remove(folder: Path) -> None:
    """Busy for a moment, while the kernel still takes the namespace down."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(PAUSE)


def sweep(mine: Path) -> None:
    """Removes what engines left behind whose supervisor was killed; their processes ended with it."""
    for folder in mine.parent.glob(f"{PREFIX}*"):
        if folder == mine or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
            continue
        with contextlib.suppress(FileNotFoundError):
            users = locked(folder / "users", fcntl.LOCK_EX | fcntl.LOCK_NB)
            nobody = users and locked(folder / "supervisor", fcntl.LOCK_EX | fcntl.LOCK_NB)
            if nobody:
                Network(folder).remove()
                remove(folder)
                nobody.close()
            if users:
                users.close()


# ---- inside


def init(folder: Path) -> int:
    """Starts the engine, starts again what ended unless ``NAME.down`` is there, and buries the dead."""
    options = Options.of(folder)
    private_places(folder, options)
    children: dict[int, str] = {}
    while True:
        for name, argv in programs(folder, options).items():
            if name not in children.values() and not (folder / f"{name}.down").exists():
                children[start(folder, name, argv)] = name
        for pid in dead():
            children.pop(pid, None)
        time.sleep(PAUSE / 4)


def private_places(folder: Path, options: Options) -> None:
    """/run and /etc/docker of its own: sockets, shims and the engine's ID are not the machine's."""
    Path("/etc/docker").mkdir(exist_ok=True)
    for place in (Path("/run"), Path("/etc/docker")):
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(place))
    if " cgroup" not in Path("/proc/mounts").read_text():
        run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    data = folder / "data"
    data.mkdir()
    if options.data_size:
        run("mount", "-t", "tmpfs", "-o", f"mode=0711,size={options.data_size}", "tmpfs", str(data))
    (folder / "containerd.toml").write_text(
        f"version = 2\nroot = '{data}/containerd'\nstate = '/run/containerd'\n"
        "disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt']\n"
        "[grpc]\naddress = '/run/containerd/containerd.sock'\n"
    )
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}},"
        " delete: {enabled: true}}\n"
        f"http: {{addr: '127.0.0.1:{options.registry_port}'}}\n"
    )


def programs(folder: Path, options: Options) -> dict[str, list[str]]:
    """What is to run, each by its name. dockerd waits for containerd, as its unit file makes it."""
    wanted = {"containerd": ["containerd", "--config", f"{folder}/containerd.toml"]}
    if options.registry_port:
        wanted["registry"] = ["docker-registry", "serve", f"{folder}/registry.yml"]
    if Path("/run/containerd/containerd.sock").exists():
        wanted["dockerd"] = [
            *("dockerd", "--data-root", f"{folder}/data/docker", "--host", f"unix://{folder}/docker.sock"),
            *("--containerd", "/run/containerd/containerd.sock"),
            *("--bridge", Network(folder).bridge, "--iptables=false", "--ip-forward=false", "--ip-masq=false"),
            *("--default-address-pool", f"base={(folder / 'subnet').read_text()},size=24"),
            *("--shutdown-timeout", "2"),
        ]
    return wanted


def start(folder: Path, name: str, argv: list[str]) -> int:
    if name == "dockerd":
        Path("/run/docker.pid").unlink(missing_ok=True)
        (folder / "docker.sock").unlink(missing_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL).pid


def dead() -> Iterator[int]:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid


if __name__ == "__main__":
    sys.exit({"supervise": supervise, "init": init}[sys.argv[1]](Path(sys.argv[2])))
