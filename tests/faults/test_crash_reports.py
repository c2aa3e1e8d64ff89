"""Reports of crashes, received by a server on this machine: only when asked for, and nothing in them but the code's."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.canaries import CANARIES, said
from warroom import process

ROOT = Path(__file__).parents[2]
CRASH = """
import os, sys
from warroom.cli import entry, commands
from warroom.redact import Redactor
from warroom.engine import own_log

def crash() -> None:
    local = SAID
    known = Redactor()
    for value in KNOWN:
        known.register(value, "canary")
    own_log.hide_with(known)
    own_log.KEPT = known
    raise RuntimeError(f"could not read 'a line of the log' of user 17: {local}")

SAID, KNOWN = sys.argv[1:2][0], sys.argv[2:]
commands.app = crash
entry.main()
"""


def envelopes(server: HTTPServer) -> list[str]:
    """What came, each unpacked."""
    found = []
    for request, _ in server.log:
        data = request.get_data()
        found.append((gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode())
    return found


def taking(_: Request) -> Response:
    return Response("{}", 200, content_type="application/json")


async def crashed(home: Path, **env: str) -> process.Finished:
    said_all = " ".join(canary.text for canary in CANARIES)
    argv = [sys.executable, "-c", CRASH, said_all, *(c.value for c in CANARIES if c.kind.startswith("known"))]
    whole = {**os.environ, "HOME": str(home), "WARROOM_STATE": str(home), **env}
    return await process.run(argv, timeout=60, cwd=ROOT, env=whole)


async def test_a_crash_is_reported_without_anything_of_the_incident(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/api/1/envelope/", method="POST").respond_with_handler(taking)
    dsn = f"http://0123456789abcdef@127.0.0.1:{httpserver.port}/1"
    done = await crashed(tmp_path, WARROOM_SENTRY_DSN=dsn)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    (text,) = envelopes(httpserver)
    event: dict[str, Any] = json.loads(text.splitlines()[2])
    (value,) = event["exception"]["values"]
    assert value["type"] == "RuntimeError"
    assert value["value"].startswith("could not read ‹…› of user ‹n›")
    assert {frame["function"] for frame in value["stacktrace"]["frames"]} >= {"_main", "crash"}
    assert set(event) <= {"event_id", "timestamp", "level", "platform", "release", "exception", "sdk"}
    assert [canary.kind for canary in CANARIES for piece in said(canary) if piece in text] == []
    for hidden in ("a line of the log", socket.gethostname(), str(tmp_path), "vars", "breadcrumbs"):
        assert hidden not in text


async def test_nothing_is_sent_unless_it_is_asked_for(httpserver: HTTPServer, tmp_path: Path) -> None:
    await crashed(tmp_path, SENTRY_DSN=f"http://0123456789abcdef@127.0.0.1:{httpserver.port}/1")
    assert envelopes(httpserver) == []


async def test_an_address_that_is_none_is_told_in_plain_words(tmp_path: Path) -> None:
    done = await crashed(tmp_path, WARROOM_SENTRY_DSN="not an address")
    assert b"WARROOM_SENTRY_DSN is no Sentry address" in done.stderr
    assert b"Traceback" not in done.stderr
