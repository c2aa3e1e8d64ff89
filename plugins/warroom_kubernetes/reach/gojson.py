"""JSON as the API server itself writes it.

The ``test`` of a JSON patch compares texts as they are written, byte by byte, not what they mean: a command with ``&&``
in it is only the same where it stands as ``\\u0026\\u0026``, and one with an umlaut only where that is not escaped.
"""

from __future__ import annotations

import json
import re

from pydantic import JsonValue

_ESCAPED = re.compile("[<>&\u2028\u2029]")


def go_json(value: JsonValue) -> bytes:
    """As Go's encoder does it with HTML escaping, which is its default. Raises ValueError for NaN and infinity."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Outside of strings none of these can stand.
    text = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode()
