"""Plays the app's users, over HTTP and through the front, and counts what they see."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import secrets
import time
from bisect import bisect_left
from collections import Counter
from typing import Any

import aiohttp

from warroom.drills.lab.seed import Account

PEOPLE = 20
"""How many use the app at once."""
THINKING = 0.9
"""Mean seconds between one person's requests. Together they make about 22 a second: in a drill's shortest window more
than a hundred, so that a share of them is told surely, and little enough that a drill leaves the machine to others."""
BOUNDS_MS = tuple(round(1.2**power, 3) for power in range(58))
"""Upper bounds of the latency histogram, a fifth apart, from 1 ms to 32 s; one more bucket holds the rest."""

SIGN_IN = "POST /api/auth/signin"
REFRESH = "POST /api/auth/refresh"
LIST = "GET /api/conversations"
EXPORT = "GET /api/conversations/{id}/export"
SEND = "POST /api/conversations/{id}/messages"
WEBHOOK = "POST /api/payments/webhook"


class Counters:
    """Cumulative since the lab began. A request without an answer has the status 0."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._latency = [0] * (len(BOUNDS_MS) + 1)

    def add(self, route: str, status: int, seconds: float) -> None:
        self._answers[route, status] += 1
        self._latency[bisect_left(BOUNDS_MS, seconds * 1000)] += 1

    def snapshot(self) -> dict[str, Any]:
        answers = [
            {"route": route, "status": status, "count": n} for (route, status), n in sorted(self._answers.items())
        ]
        return {"answers": answers, "latency": {"bounds_ms": list(BOUNDS_MS), "counts": list(self._latency)}}


class Traffic:
    def __init__(self, base_url: str, accounts: list[Account], payment_secret: str) -> None:
        self.counters = Counters()
        self.written: dict[str, set[str]] = {"Message": set(), "Payment": set()}
        """What users have had the app's word for, by table: a message's id, a payment's event."""
        self._base_url = base_url
        self._accounts = accounts
        self._payment_secret = payment_secret.encode()
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=30),
        )
        self._tasks = [asyncio.create_task(self._person()) for _ in range(PEOPLE)]
        self._tasks.append(asyncio.create_task(self._payment_provider()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # ---- people --------------------------------------------------------------------------------------------

    async def _person(self) -> None:
        """One after another they come, sign in, use the app for a while, and go."""
        await asyncio.sleep(random.uniform(0, THINKING))
        while True:
            account = random.choice(self._accounts)
            for _ in range(random.randint(1, 3)):
                signed_in = await self._sign_in(account)
                await self._think()
                if signed_in is not None:
                    await self._use(*signed_in)
                    break

    async def _sign_in(self, account: Account) -> tuple[dict[str, str], str] | None:
        """A page's headers and the token, or None when it failed: people then try again, or give up."""
        body = json.dumps({"email": account.email, "password": account.password}).encode()
        status, headers, answer = await self._request(SIGN_IN, "/api/auth/signin", body)
        if status != 200:
            return None
        cookie = headers.get("Set-Cookie", "").partition(";")[0]
        return {"Cookie": cookie, "X-CSRF-Token": str(answer.get("csrf", ""))}, str(answer.get("token", ""))

    async def _use(self, page: dict[str, str], token: str) -> None:
        conversations = await self._list(page)
        for _ in range(random.randint(2, 5)):
            await self._think()
            wish = random.random()
            if wish < 0.58:
                conversations = await self._list(page)
            elif wish < 0.75 and conversations:
                path = f"/api/conversations/{random.choice(conversations)['id']}"
                if wish < 0.6:
                    await self._request(EXPORT, f"{path}/export", None, page)
                else:
                    body = json.dumps({"content": "and what about the garden?"}).encode()
                    status, _, answer = await self._request(SEND, f"{path}/messages", body, page)
                    if status == 201:
                        self.written["Message"].add(str(answer["id"]))
            else:
                _, _, answer = await self._request(REFRESH, "/api/auth/refresh", json.dumps({"token": token}).encode())
                token = str(answer.get("token", token))

    async def _list(self, page: dict[str, str]) -> list[dict[str, Any]]:
        _, _, answer = await self._request(LIST, "/api/conversations", None, page)
        found: list[dict[str, Any]] = answer.get("conversations", [])
        return found

    @staticmethod
    async def _think() -> None:
        await asyncio.sleep(random.expovariate(1 / THINKING))

    # ---- payments ------------------------------------------------------------------------------------------

    async def _payment_provider(self) -> None:
        """Reports payments; now and then one twice, as providers do."""
        while True:
            await asyncio.sleep(random.expovariate(2.0))
            payer = random.choice(self._accounts)
            event = {"id": f"evt_{secrets.token_hex(8)}", "userId": payer.id, "amountCents": 1900, "currency": "EUR"}
            body = json.dumps(event).encode()
            signature = hmac.new(self._payment_secret, body, hashlib.sha256).hexdigest()
            for _ in range(1 + (random.random() < 0.1)):
                status, _, _ = await self._request(WEBHOOK, "/api/payments/webhook", body, {"X-Signature": signature})
                if status == 200:
                    self.written["Payment"].add(str(event["id"]))

    # ---- one request ---------------------------------------------------------------------------------------

    async def _request(
        self, route: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Its status (0 without an answer), headers and JSON object; counted with the time to the last byte."""
        assert self._session is not None
        method = route.partition(" ")[0]
        whole = {"Content-Type": "application/json", **(headers or {})}
        begun = time.perf_counter()
        status, got, raw = 0, {}, b""
        try:
            async with self._session.request(method, self._base_url + path, data=body, headers=whole) as response:
                raw = await response.read()
                status, got = response.status, dict(response.headers)
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass  # counted below, as a request without an answer
        self.counters.add(route, status, time.perf_counter() - begun)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = {}
        return status, got, answer if isinstance(answer, dict) else {}
