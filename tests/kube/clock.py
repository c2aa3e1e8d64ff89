"""Time stamps as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def seconds() -> str:
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


def micros() -> str:
    return now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanos() -> str:
    """As container logs have it."""
    return now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def since(stamp: str) -> float:
    """Seconds from that stamp to now; a whole second's stamp may be up to a second late."""
    return (now() - datetime.fromisoformat(stamp.replace("Z", "+00:00"))).total_seconds()
