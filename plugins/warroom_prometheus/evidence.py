"""What the metrics said in the hour before: the configured queries over time, and the alerts that were firing."""

from __future__ import annotations

import json
from typing import Any

from warroom.api import Context, Folder, WarroomError
from warroom_prometheus.asking import SERIES_SHOWN, fetched, over, why
from warroom_prometheus.config import Config

HOUR = 3600.0
STEP = 15.0


class MetricsCollector:
    """One JSON file for each query, in Prometheus's own form. A query that fails leaves its reason in its file."""

    name = "prometheus"
    kinds: tuple[str, ...] = ("metrics",)
    timeout_s = 120.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """Raises the last error where not one query could be answered: then there is no evidence here."""
        config: Config = ctx.config
        now = ctx.clock.now()
        told: dict[str, Any] = {"server": config.base_url, "at": now.isoformat(), "step_s": STEP}
        answered, last = 0, WarroomError("there is nothing to ask Prometheus for", "no signals are configured")
        for name, signal in config.signals.items():
            about = {**told, "signal": name, "unit": signal.unit, "query": signal.query}
            try:
                series, warnings = await over(ctx, signal.query, now.timestamp() - HOUR, now.timestamp(), STEP)
            except WarroomError as error:
                last = error
                about["error"] = why(error)
            else:
                answered += 1
                about |= {"warnings": warnings, "series": len(series), "result": series[:SERIES_SHOWN]}
            await folder.write(f"{name}.json", _json(about), kind="metrics")
        alerts = await _alerts(ctx)
        await folder.write("alerts.json", _json({**told, **alerts}), kind="metrics")
        if config.signals and not answered:
            raise last


async def _alerts(ctx: Context) -> dict[str, Any]:
    """The server's own alerts as they stand; servers that have none of their own say so."""
    try:
        return dict(await fetched(ctx, "alerts"))
    except WarroomError as error:
        return {"error": why(error)}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
