"""A real Prometheus on loopback, scraping a small exporter whose counters rise by known steps at each scrape."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.http_door import http_context
from tests.ports import free_port
from warroom.api import Clock, Context
from warroom_prometheus.config import Config

PASSWORD = "of-the-test-only"
HASHED = "$2b$04$moa7Ob5ka823hQGr3V90ieY/VzkUNLhq71rphb9tuvSmD5rdDilu2"
BOUNDS = ("0.1", "0.5", "1", "2.5", "+Inf")
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, external_labels: {{cluster: test}}}}
scrape_configs:
  - job_name: app
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{cluster: blue}}}}]
  - job_name: gone
    static_configs: [{{targets: ["127.0.0.1:1"]}}]
"""


@dataclass
class Exporter:
    """At each scrape ``step`` more requests of each status, and ``times`` more of each latency bucket's own count."""

    step: dict[str, int] = field(default_factory=lambda: {"200": 18, "500": 2})
    times: tuple[int, ...] = (10, 5, 3, 2, 0)
    works: bool = True
    requests: dict[str, int] = field(default_factory=lambda: {"200": 0, "500": 0})
    buckets: list[int] = field(default_factory=lambda: [0] * 5)
    old: float = field(default_factory=lambda: time.time() - 100)
    port: int = 0

    def text(self) -> str:
        for status, more in self.step.items():
            self.requests[status] += more
        self.buckets = [count + more for count, more in zip(self.buckets, self.times, strict=True)]
        lines = [f'app_requests_total{{code="{code}"}} {count}' for code, count in self.requests.items()]
        total = 0
        for bound, count in zip(BOUNDS, self.buckets, strict=True):
            total += count
            lines.append(f'app_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"app_seconds_count {total}", "app_memory_ratio 0.61", "app_idle_total 0", "app_nan NaN"]
        lines += [f"app_old 7 {int(self.old * 1000)}", *(f'app_many{{n="{n}"}} 1' for n in range(300))]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Server:
    url: str
    exporter: Exporter


@dataclass
class LabExporter(Exporter):
    """What the drill lab's app counts about itself, at ``base_url``, in Prometheus's own words."""

    base_url: str = ""

    def text(self) -> str:
        with urllib.request.urlopen(f"{self.base_url}/api/metrics/system", timeout=60) as reply:
            said = json.load(reply)
        by_code: Counter[str] = Counter()
        for key, count in said["requests"].items():
            by_code[key.rpartition(" ")[2]] += count
        lines = [f'app_requests_total{{code="{code}"}} {count}' for code, count in by_code.items()]
        bounds = [*map(str, said["latency"]["bounds"]), "+Inf"]
        for bound, total in zip(bounds, accumulate(said["latency"]["counts"]), strict=True):
            lines.append(f'app_seconds_bucket{{le="{bound}"}} {total}')
        lines.append(f"app_memory_ratio {said['memory']['residentBytes'] / said['memory']['limitBytes']}")
        lines.append(f"app_pool_ratio {said['pool']['used'] / said['pool']['size']}")
        return "\n".join([*lines, ""])


@contextmanager
def exporting(exporter: Exporter | None = None) -> Iterator[Exporter]:
    made = exporter or Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                body, works = made.text().encode(), made.works
            except OSError as error:  # the lab's app is between two releases
                body, works = str(error).encode(), False
            self.send_response(200 if works else 500)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing of each scrape on the tests' own output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def prometheus(folder: Path, exporter: Exporter) -> Iterator[Server]:
    """Started on a free port, with its data below ``folder``; ready, with five seconds of scrapes. Ended by its pid."""
    (folder / "prometheus.yml").write_text(CONFIG.format(port=exporter.port))
    (folder / "web.yml").write_text(f"basic_auth_users:\n  warroom: {HASHED}\n")
    port = free_port()
    argv = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--web.config.file={folder / 'web.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=out, cwd=folder, start_new_session=True)
    try:
        until(lambda: ready(port), child, log)
        yield Server(f"http://127.0.0.1:{port}", exporter)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
        child.wait(60)


def until(met: Any, child: subprocess.Popen[bytes], log: Path, patience: float = 60) -> None:
    ends = time.monotonic() + patience
    while not met():
        assert child.poll() is None, log.read_text()
        assert time.monotonic() < ends, "Prometheus did not become ready\n" + log.read_text()
        time.sleep(0.1)


def ready(port: int) -> bool:
    """It answers, and has scraped the exporter for as long as the tests' queries look back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        auth = {"Authorization": "Basic " + basic(f"warroom:{PASSWORD}")}
        connection.request("GET", "/api/v1/query?query=count_over_time(app_requests_total%5B5s%5D)%3E9", headers=auth)
        return b'"value":[' in connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()


def basic(pair: str) -> str:
    import base64

    return base64.b64encode(pair.encode()).decode()


@asynccontextmanager
async def asking(
    base_url: str, *, secrets: Mapping[str, str] | None = None, clock: Clock | None = None, **config: Any
) -> AsyncIterator[Context]:
    """A context with the product's own read door, and the test server's password under ``env:PASSWORD``."""
    auth = {"user": "warroom", "password": "env:PASSWORD"}
    made = Config.model_validate({"base_url": base_url, "auth": auth, **config})
    async with http_context("metrics", made, {"env:PASSWORD": PASSWORD, **(secrets or {})}, clock) as ctx:
        yield ctx
