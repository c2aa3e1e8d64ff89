"""Kubernetes' quantities, as far as the emulator reckons with them."""

from __future__ import annotations


def cpu_of(text: str | float) -> float:
    """Cores: "250m", "2", 0.5."""
    words = str(text)
    return float(words[:-1]) / 1000 if words.endswith("m") else float(words)


def share(value: int | str, of: int, up: bool) -> int:
    """A number or a percentage of ``of``."""
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%")) * of
    return -(-percent // 100) if up else percent // 100
