"""The HTTP plugin keeps the contract, tried on a real service."""

from __future__ import annotations

from typing import Any

from tests.plugins.http_service import FLOW, looking_at, serving
from tests.plugins.test_http_signals import FLOWS, SIGNALS
from warroom.testing.conformance import check_plugin
from warroom_http import plugin

CONFIG: dict[str, Any] = {
    "every": "0.3s",
    "signals": SIGNALS,
    "flows": FLOWS,
    "version": {"path": "/api/version"},
    "identity": {"path": "/api/version", "field": "commit"},
}


async def test_the_plugin_conforms() -> None:
    async with (
        serving() as service,
        looking_at(service.url, secrets={"env:PASSWORD": "Test123!-of-the-test"}, **CONFIG) as ctx,
    ):
        service.password = "Test123!-of-the-test"
        probes: dict[str, list[dict[str, Any]]] = {
            "get": [{"path": "/api/health", "expect": {"status": "ok"}}],
            "flow": [{"flow": "auth"}, {"steps": {"signin": FLOW["signin"]}}],
            "version": [{"version": "v1.0.0-beta.2"}],
        }
        await check_plugin(plugin, ctx, probes=probes)
