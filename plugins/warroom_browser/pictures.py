"""One picture of each page, drawn by a browser that starts empty and can reach that page's host alone.

The browser gets a temporary folder of its own that is gone afterwards, none of warroom's environment, and no way to
any other host: names and literal addresses that are not listed do not resolve, and a listed name goes to the address
that was looked at first. A picture can't be redacted: it shows what the dashboard showed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from warroom.api import Context, Folder, ProgramMissing, Ready, Unreachable, WarroomError
from warroom.model.address import refused_address
from warroom_browser.config import Config

KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
LARGEST = 32 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n"


class PictureCollector:
    """A PNG for each page that could be drawn, and ``pages.json`` with the reason for each that could not."""

    name = "dashboards"
    kinds: tuple[str, ...] = ("picture",)
    timeout_s = 180.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """Raises the last error where no page could be drawn at all."""
        config: Config = ctx.config
        told: dict[str, Any] = {}
        drawn, last = 0, WarroomError("there is no page to draw")
        async with folder.file("pages.json", kind="metrics") as part:
            for name, url in config.pages.items():
                about = told[name] = {"url": url, "at": ctx.clock.now().isoformat(), "sandbox": sandboxed()}
                try:
                    picture = await draw(ctx, url, part.parent)
                except WarroomError as error:
                    about["error"] = str(error)
                    last = error
                    continue
                await folder.write(f"{name}.png", picture, kind="picture")
                drawn += 1
            part.write_text(json.dumps(told, indent=1))
            if not drawn:
                raise last


async def draw(ctx: Context, url: str, within: Path) -> bytes:
    """The page as a PNG. What the browser keeps is in a folder in ``within``, which is gone afterwards.

    Raises WarroomError when the picture can't be had in time.
    """
    config: Config = ctx.config
    rules = await _rules(url, config.also)
    # A process of the browser's that is still ending may write once more while its folder goes.
    own = tempfile.TemporaryDirectory(prefix="browser-", suffix=".part", dir=within, ignore_cleanup_errors=True)
    try:
        place = Path(own.name)
        done = await ctx.read.run(
            _argv(config, url, rules, place),
            timeout=config.page_timeout_s,
            env={**{name: "" for name in os.environ if name not in KEPT}, "HOME": str(place)},
        )
        data = await asyncio.to_thread(_picture, place / "page.png")
    finally:
        await asyncio.to_thread(own.cleanup)
    if not data:
        raise Unreachable(f"{url} could not be drawn", f"the browser ended with {done.status}")
    if not data.startswith(PNG) or len(data) > LARGEST:
        raise Unreachable(f"{url} could not be drawn", "what the browser gave is no picture")
    return data


def _picture(path: Path) -> bytes:
    """Empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        return b""


def sandboxed() -> bool:
    """Chromium refuses its own sandbox to root. Whoever runs warroom as root draws pages without it."""
    return os.geteuid() != 0


def _argv(config: Config, url: str, rules: str, place: Path) -> list[str]:
    return [
        *(config.program, "--headless=new", f"--screenshot={place}/page.png", f"--user-data-dir={place}"),
        *(f"--window-size={config.width},{config.height}", f"--host-resolver-rules={rules}"),
        *(f"--virtual-time-budget={int(config.settle_s * 1000)}", f"--timeout={int(config.page_timeout_s * 900)}"),
        *("--no-proxy-server", "--no-first-run", "--disable-extensions", "--disable-sync", "--disable-gpu"),
        *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--mute-audio"),
        *("--hide-scrollbars", "--disable-breakpad", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp"),
        *(() if sandboxed() else ("--no-sandbox",)),
        url,
    ]


async def _rules(url: str, also: Sequence[str]) -> str:
    """Where the browser may go: each listed host at the address it has now, and nowhere else.

    Raises Unreachable for a host without an address, or with one that is never asked.
    """
    rules = []
    for host in dict.fromkeys((urlsplit(url).hostname or "", *also)):
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unreachable(f"{host} has no address", str(error)) from None
        address = str(found[0][4][0])
        if why := refused_address(address):
            raise Unreachable(f"{host} is not asked", why)
        literal = f"[{address}]" if ":" in address else address
        rules.append(f"MAP {f'[{host}]' if ':' in host else host} {literal}")
    return ", ".join((*rules, "MAP * ~NOTFOUND"))


class BrowserReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        config: Config = ctx.config
        row = partial(Ready, id="browser", title="Pictures of dashboards")
        try:
            done = await ctx.read.run([config.program, "--version"], timeout=10)
        except ProgramMissing as error:
            return [row(status="not-ready", words=str(error), fix="install chromium, or set program")]
        except WarroomError as error:
            return [row(status="unknown", words=str(error))]
        if done.status != 0:
            return [row(status="not-ready", words=f"{config.program} ended with {done.status}")]
        words = done.text.strip()[:100] + ("" if sandboxed() else "; as root it draws without its own sandbox")
        return [row(status="ready", words=words)]
