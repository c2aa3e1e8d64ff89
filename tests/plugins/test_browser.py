"""Pictures of dashboards by a real Chromium: drawn, in time, and with no way to anything but their own host."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer

from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.actions.evidence import Bundle, verify
from warroom.api import Context, Unreachable, WarroomError
from warroom.redact import Redactor
from warroom.testing.clock import VirtualClock
from warroom.testing.conformance import check_plugin
from warroom_browser import plugin
from warroom_browser.config import Config
from warroom_browser.pictures import PictureCollector, draw, sandboxed

PAGE = """<html><body style="background:#fff"><h1 id="x">empty</h1><script>
document.body.style.background = "#c00"; document.getElementById("x").textContent = "5.2 % of requests fail";
for (const to of OTHERS) { fetch(to + "fetched", {mode: "no-cors"}).catch(() => 0); new Image().src = to + "image"; }
</script></body></html>"""


@pytest.fixture
def other() -> Any:
    """A server of this machine's own, which no page may reach."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/").respond_with_data("secret")
        yield server


def a_context(**config: Any) -> Context:
    clock, redactor = VirtualClock(), Redactor()

    def none(name: str) -> str:
        raise WarroomError(f"no secret {name}")

    read = Reading(HttpClient(), CommandLog(), clock, redactor)
    return Context(platform="screens", config=Config(settle_s=1, **config), read=read, clock=clock, secret=none)


@pytest.fixture
def page(httpserver: HTTPServer, other: HTTPServer) -> Callable[[str], str]:
    others = json.dumps([f"http://{host}:{other.port}/" for host in ("localhost", "127.0.0.2", "[::1]", "127.0.0.3")])
    httpserver.expect_request("/red").respond_with_data(PAGE.replace("OTHERS", others), content_type="text/html")
    httpserver.expect_request("/white").respond_with_data("<html></html>", content_type="text/html")
    return lambda path: f"http://127.0.0.1:{httpserver.port}{path}"


@pytest.mark.needs("chromium")
async def test_pages_are_drawn_and_reach_nothing_else(
    page: Callable[[str], str], other: HTTPServer, tmp_path: Path
) -> None:
    ctx = a_context(pages={"red": page("/red"), "white": page("/white")}, width=400, height=300)
    bundle = Bundle(tmp_path, "evidence-1", "INC-0001", VirtualClock(), Redactor())
    await PictureCollector().collect(ctx, bundle.for_collector("screens"))
    bundle.seal({}, {})
    assert verify(bundle.path) == []
    red, white = ((bundle.path / "screens" / f"{name}.png").read_bytes() for name in ("red", "white"))
    assert struct.unpack(">II", red[16:24]) == (400, 300)
    assert red != white, "the page's own script ran, as dashboards need"
    assert {artifact.kind for artifact in bundle.of("screens")} == {"picture", "metrics"}
    told = json.loads((bundle.path / "screens" / "pages.json").read_bytes())
    assert told["red"]["sandbox"] is sandboxed() is (os.geteuid() != 0)
    assert [request.path for request, _ in other.log] == []
    assert sorted(path.name for path in (bundle.path / "screens").iterdir()) == ["pages.json", "red.png", "white.png"]


@pytest.mark.needs("chromium")
async def test_a_page_that_is_away_is_told_and_the_others_are_drawn(page: Callable[[str], str], tmp_path: Path) -> None:
    ctx = a_context(pages={"away": "http://no-such-host.invalid/", "white": page("/white")})
    bundle = Bundle(tmp_path, "evidence-1", "INC-0001", VirtualClock(), Redactor())
    await PictureCollector().collect(ctx, bundle.for_collector("screens"))
    told = json.loads((bundle.path / "screens" / "pages.json").read_bytes())
    assert "no address" in told["away"]["error"]
    assert [Path(artifact.name).name for artifact in bundle.of("screens")] == ["white.png", "pages.json"]


@pytest.mark.needs("chromium")
async def test_the_plugin_conforms(page: Callable[[str], str], tmp_path: Path) -> None:
    await check_plugin(plugin, a_context(pages={"white": page("/white")}), folder=tmp_path)


async def test_a_browser_that_hangs_is_ended_in_time(tmp_path: Path, page: Callable[[str], str]) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\ntouch $HOME/profile\nexec sleep 60\n")
    slow.chmod(0o700)
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(WarroomError):
        await draw(a_context(pages={"a": page("/white")}, program=str(slow), page_timeout_s=1), page("/white"), place)
    assert list(place.iterdir()) == []


async def test_a_browser_that_gives_no_picture_is_no_evidence(page: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="could not be drawn"):
        await draw(a_context(pages={"a": page("/white")}, program="true"), page("/white"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "javascript:alert(1)", "http://169.254.169.254/", "http://metadata/", "chrome://gpu"),
        *("http://u:p@example.org/", "http://", "--version", "http://2852039166/", "http://a:x/", "http://[fe80::1]/"),
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Config(pages={"a": url})
