"""A certificate authority of the tests' own, for the emulator's server and for clients."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@dataclass(frozen=True)
class Certificates:
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def user_certificate(self) -> Path:
        """Of the user warroom-tester; its key lies beside it, in PEM like itself."""
        return self.folder / "user.crt"

    @property
    def user_key(self) -> Path:
        return self.folder / "user.key"

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


def make_certificates(folder: Path) -> Certificates:
    """In ``folder``, with openssl."""
    _openssl(folder, "req", "-x509", *EC, "-subj", "/CN=emulator-ca", "-keyout", "ca.key", "-out", "ca.crt")
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc"
    for name, subject, more in (("server", "/CN=kube-apiserver", names), ("user", "/CN=warroom-tester", "")):
        argv = ["req", "-x509", *EC, "-CA", "ca.crt", "-CAkey", "ca.key", "-subj", subject]
        argv += ["-keyout", f"{name}.key", "-out", f"{name}.crt", "-addext", "basicConstraints=critical,CA:FALSE"]
        _openssl(folder, *argv, *(("-addext", more) if more else ()))
        (folder / f"{name}.key").chmod(0o600)
    return Certificates(folder)


def _openssl(folder: Path, *words: str) -> None:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"openssl {' '.join(words)}: {done.stderr.decode()}")
