"""Start the service on a Unix socket and serve until told to stop."""

from __future__ import annotations

import argparse
from pathlib import Path

from aiohttp import web

from .log import log
from .release import read_release
from .server import make_app
from .settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="ai_saas")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    socket: str = parser.parse_args().socket
    release = read_release(ROOT)
    log("info", "starting", version=release.version, commit=release.commit)
    web.run_app(
        make_app(Settings.from_environment(), release),
        path=socket,
        access_log=None,
        print=None,
        shutdown_timeout=5.0,
    )
    log("info", "stopped", version=release.version, commit=release.commit)


main()
