"""Quantities as the API writes them: ``100m``, ``128Mi``, ``1.5e3``, ``12345n``. One unit has one way to be read."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_PARTS = re.compile(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE])?)$")
_TIMES: dict[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{sign: Decimal(1000) ** power for power, sign in enumerate("kMGTPE", 1)},
    **{f"{sign}i": Decimal(1024) ** power for power, sign in enumerate("KMGTPE", 1)},
}


def quantity(text: object) -> float | None:
    """In the quantity's own unit (CPUs, bytes). None for what is no quantity."""
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        return None
    match = _PARTS.match(str(text).strip())
    if match is None or len(match[0]) > 60:
        return None
    try:
        found = Decimal(match[1] + (match[2] or "")) * _TIMES[match[3] or ""]
    except InvalidOperation:
        return None
    return float(found)
