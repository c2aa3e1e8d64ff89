"""A real sshd on loopback, and an ``ssh`` that knows it: for what reaches a Docker engine over SSH.

    with running_sshd(DOCKER_HOST=docker_engine.host) as server:
        run("docker", "version", env={**docker_engine.env, **server.env})

The server has keys and settings of its own in a folder of its own. OpenSSH looks for its settings in the account's
home whatever HOME says, so ``server.env`` puts a folder before PATH whose ``ssh`` is the machine's with ``-F``; nothing
of a person's own keys, agent or known hosts is used, and it never asks (BatchMode).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.docker_engine import wait_for
from tests.docker_supervisor import PATH
from tests.ports import free_port


class SshServer:
    """``environment`` is what every program has that is started through it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self._environment = {"PATH": PATH, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For DOCKER_HOST or a context."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """PATH and DOCKER_HOST for the client's side."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', PATH)}", "DOCKER_HOST": self.url}

    def make(self) -> None:
        self._key("user_key")
        self._key("host_key")
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        self._know_host()
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": str(self.folder / "host_key"),
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"),
            "PidFile": "none",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            # Without PAM sshd refuses an account whose password is locked, and with it some containers.
            "UsePAM": "yes" if self._locked() else "no",
            "UseDNS": "no",
            "PermitUserRC": "no",
            "MaxStartups": "100",
            "MaxSessions": "100",
            "SetEnv": " ".join(f"{name}={value}" for name, value in self._environment.items()),
        }
        (self.folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        (self.folder / "config").write_text(
            f"Host *\n  IdentityFile {self.folder}/user_key\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile none\n"
            "  StrictHostKeyChecking yes\n  BatchMode yes\n  ConnectTimeout 10\n"
        )
        client = shutil.which("ssh")
        assert client, "no ssh on PATH"
        wrapper = self.folder / "bin" / "ssh"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(client)} -F {shlex.quote(f"{self.folder}/config")} "$@"\n')
        wrapper.chmod(0o700)

    def _key(self, name: str) -> None:
        for path in (self.folder / name, self.folder / f"{name}.pub"):
            path.unlink(missing_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(self.folder / name)]
        subprocess.run(argv, check=True, capture_output=True, timeout=30)

    def _know_host(self) -> None:
        key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}")

    def _locked(self) -> bool:
        try:
            lines = Path("/etc/shadow").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith(f"{self.user}:!") for line in lines)

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=PATH)
        assert program, "no sshd on PATH"
        # sshd insists on its whole path, since it starts itself again for each connection.
        argv = ["setpriv", "--pdeathsig", "KILL", program, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, "sshd")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def stop(self) -> None:
        """Nobody new gets in. Connections that are there stay, as in life."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def change_host_key(self) -> None:
        """As after somebody put another machine there: the client still knows the old key."""
        self.stop()
        self._key("host_key")
        self.start()


@contextlib.contextmanager
def running_sshd(**environment: str) -> Iterator[SshServer]:
    folder = Path(tempfile.mkdtemp(prefix="wr-ssh-"))
    server = SshServer(folder, environment)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
