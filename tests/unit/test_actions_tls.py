"""The read door checks certificates, always; a CA of one's own is named by SSL_CERT_FILE."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from warroom.actions.doors import HttpClient
from warroom.errors import CannotLook, Unreachable

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that nobody else signed, for localhost alone."""
    folder = tmp_path_factory.mktemp("tls")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost"]
    argv += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return folder / "cert.pem"


@pytest_asyncio.fixture
async def port(certificate: Path) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield int(runner.addresses[0][1])
    await runner.cleanup()


async def asked(url: str) -> object:
    http = HttpClient()
    try:
        return (await http.request("GET", url, timeout=5)).data
    finally:
        await http.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(port: int) -> None:
    with pytest.raises(CannotLook, match="its certificate is not accepted: self-signed certificate"):
        await asked(f"https://localhost:{port}/")


async def test_a_port_without_tls_is_said_to_be_one() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        with pytest.raises(CannotLook, match="does not speak TLS as expected"):
            await asked(f"https://localhost:{server.sockets[0].getsockname()[1]}/")


async def test_a_ca_of_ones_own_is_named(port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert await asked(f"https://localhost:{port}/") == {"ok": True}
    with pytest.raises(Unreachable, match="certificate"):
        await asked(f"https://127.0.0.1:{port}/")
