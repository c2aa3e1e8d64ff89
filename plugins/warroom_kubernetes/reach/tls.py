"""TLS as kubectl speaks it: the cluster's own CA, a client certificate from memory, and nothing left in a file."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime

from warroom.api import BadInput


def context(ca: bytes, insecure: bool, certificate: bytes, key: bytes, source: str) -> ssl.SSLContext:
    """``ca`` empty: this machine's own list. Raises ``BadInput`` naming ``source`` for what is no certificate."""
    try:
        made = ssl.create_default_context(cadata=ca.decode("ascii") if ca else None)
    except (ssl.SSLError, ValueError):
        hint = "correct certificate-authority in the kubeconfig"
        raise BadInput("The cluster's CA can't be used", f"{source}: it is no certificate (PEM)", hint) from None
    # Python asks more of a CA than Go does, and older clusters made theirs without those fields.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if certificate:
        _present(made, certificate, key, source)
    return made


def _present(made: ssl.SSLContext, certificate: bytes, key: bytes, source: str) -> None:
    asked: list[bool] = []

    def password() -> str:
        asked.append(True)  # without one to give, OpenSSL would ask at the terminal
        return ""

    try:
        with _as_file(certificate + b"\n" + key) as name:
            made.load_cert_chain(name, password=password)
    except (ssl.SSLError, OSError, ValueError) as error:
        why = "it does not fit its key, or one of them is no PEM"
        if asked:
            why = "its key is encrypted"
        elif not isinstance(error, ssl.SSLError):
            why = str(error)[:200]
        hint = "correct client-certificate and client-key in the kubeconfig"
        raise BadInput("The client certificate can't be used", f"{source}: {why}", hint) from None


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """The standard library takes a key from a file alone: one in memory where the system has that, else one that is
    gone at once and that nobody else can read."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        number = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            with open(number, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
        return
    with tempfile.NamedTemporaryFile(prefix="warroom-", suffix=".pem") as file:
        file.write(data)
        file.flush()
        yield file.name


def not_after(certificate: bytes) -> datetime | None:
    """When the first certificate of a PEM ends; None where it can't be told. It is only read, never judged."""
    try:
        begin = certificate.index(b"-----BEGIN CERTIFICATE-----")
        end = certificate.index(b"-----END CERTIFICATE-----", begin) + len(b"-----END CERTIFICATE-----")
        der = ssl.PEM_cert_to_DER_cert(certificate[begin:end].decode("ascii"))
        inside = _parts(_parts(der)[0][1])[0][1]
        fields = [part for part in _parts(inside) if part[0] != 0xA0]  # its version, which may be left out
        kind, text = _parts(fields[3][1])[1]
        digits = text.decode("ascii")
        if kind == 0x17:  # UTCTime: two digits of the year, of 1950 to 2049
            digits = ("19" if digits >= "50" else "20") + digits
        return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except (ValueError, IndexError):
        return None


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element, one behind the other. ``IndexError`` or ``ValueError`` for what is none."""
    found = []
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[at : at + count], "big")
            at += count
        if at + length > len(der):
            raise ValueError("an element reaches behind the end")
        found.append((tag, der[at : at + length]))
        at += length
    return found
