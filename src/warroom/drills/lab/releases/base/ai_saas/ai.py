"""The AI provider: asked for the assistant's words, over HTTP."""

from __future__ import annotations

import aiohttp

from .log import log
from .metrics import Metrics

PATIENCE = 2.0
"""Seconds that a person waits for an answer; the message itself is kept either way."""


class AiProvider:
    def __init__(self, socket: str, metrics: Metrics) -> None:
        self._socket = socket
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None

    async def reply(self, content: str) -> str | None:
        """The assistant's words, or None: the provider did not give any."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self._socket), timeout=aiohttp.ClientTimeout(total=PATIENCE)
            )
        found: str | None = None
        try:
            async with self._session.post("http://ai/v1/replies", json={"content": content}) as response:
                response.raise_for_status()
                found = str((await response.json())["reply"])
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
            log("error", "the AI provider gave no reply", error=str(error) or type(error).__name__)
        self._metrics.called("ai", found is not None)
        return found

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
