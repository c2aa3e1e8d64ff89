"""The server's side of steering.py: what is set there, and is put back by ``reset``."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

from tests.kube.steering import Does


@dataclass(frozen=True)
class Behaviour:
    does: Does
    digest: str = ""
    """"" is made of the image's name."""

    lines: tuple[str, ...] | None = None


@dataclass
class Failing:
    path: str
    method: str
    status: int
    reason: str
    wait_s: int
    left: int

    def meets(self, method: str, path: str) -> bool:
        return self.left > 0 and self.method in ("", method) and re.search(self.path, path) is not None


@dataclass
class Levers:
    images: dict[str, Behaviour] = field(default_factory=dict)
    usage: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    metrics: bool = True
    held: frozenset[str] = frozenset()
    failing: list[Failing] = field(default_factory=list)
    slow: list[tuple[float, str]] = field(default_factory=list)
    speaking: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set: half open."""

    def __post_init__(self) -> None:
        self.speaking.set()

    def reset(self) -> None:
        self.images.clear()
        self.usage.clear()
        self.metrics, self.held = True, frozenset()
        self.failing.clear()
        self.slow.clear()
        self.speaking.set()

    def behaviour(self, image: str) -> Behaviour:
        """By what was steered, else by a word in its tag: app:crash-2 crashes."""
        if found := self.images.get(image):
            return found
        tag = image.rpartition("/")[2]
        for word, does in WORDS.items():
            if word in tag:
                return Behaviour(does)
        return Behaviour("runs")

    def wait(self, path: str) -> float:
        return sum(seconds for seconds, pattern in self.slow if re.search(pattern, path))

    def failure(self, method: str, path: str) -> Failing | None:
        found = next((one for one in self.failing if one.meets(method, path)), None)
        if found:
            found.left -= 1
        return found


WORDS: dict[str, Does] = {
    "crash": "crashes",
    "never-ready": "never-ready",
    "no-such": "no-such-image",
    "slow": "slow",
}
