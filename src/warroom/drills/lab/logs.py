"""The lab's logs: one file for each source, only ever appended to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SOURCES = ("app", "postgres", "redis", "lab")
_MOST = 512 * 1024


def read_log(path: str, offset: int) -> dict[str, Any]:
    """Whole lines from a byte offset on, half a megabyte at most: ``{lines, offset, next, size}``.

    A negative offset counts from the end, and begins at the first whole line after it.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            begin = max(0, size + offset) if offset < 0 else min(offset, size)
            file.seek(begin)
            if offset < 0 and begin > 0:
                begin += len(file.readline())
            data = file.read(_MOST)
    except FileNotFoundError:
        return {"lines": [], "offset": 0, "next": 0, "size": 0}
    end = data.rfind(b"\n") + 1
    if end == 0 and len(data) == _MOST:
        end = _MOST  # one line that is longer than a page: handed on in pieces
    lines = data[:end].removesuffix(b"\n").decode("utf-8", "replace").split("\n") if end else []
    return {"lines": lines, "offset": begin, "next": begin + end, "size": size}


class OwnLog:
    """What the lab itself does: deployments, migrations, processes. JSON lines, as the app's."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        path.chmod(0o600)

    def __call__(self, message: str, **fields: object) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._file.write(json.dumps({"time": at, "level": "info", "message": message, **fields}, default=str) + "\n")

    def close(self) -> None:
        self._file.close()
