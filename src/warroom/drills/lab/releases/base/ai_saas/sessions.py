"""Sessions in Redis, and the signed tokens (JWT, HS256) that go with them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from redis.asyncio import Redis

SESSION_SECONDS = 3600
TOKEN_SECONDS = 900


class Sessions:
    def __init__(self, redis: Redis, secret: str, *, verify_tokens: bool = True) -> None:
        self._redis = redis
        self._secret = secret.encode()
        self._verify = verify_tokens

    async def open(self, user_id: str) -> tuple[str, str]:
        """A new session: its id, for the cookie, and a token."""
        session = secrets.token_urlsafe(24)
        await self._redis.set(f"session:{session}", user_id, ex=SESSION_SECONDS)
        return session, self._token(user_id, session)

    async def user_of(self, session: str) -> str | None:
        found = await self._redis.get(f"session:{session}")
        return found.decode() if isinstance(found, bytes) else None

    async def user_of_token(self, token: str) -> str | None:
        """Who a token is for, or None: forged, expired, or the session has ended."""
        claims = self._claims(token)
        if claims is None:
            return None
        if self._verify and await self.user_of(str(claims.get("sid"))) != claims.get("sub"):
            return None
        return str(claims.get("sub"))

    def csrf(self, session: str) -> str:
        """What a page of ours sends along to show that it is one: only who was told the session's own knows it."""
        return self._signature(f"csrf {session}")

    async def refresh(self, token: str) -> str | None:
        """A new token for the old one's session, or None: forged, expired, or the session has ended."""
        claims = self._claims(token)
        if claims is None or await self.user_of(claims["sid"]) != claims["sub"]:
            return None
        return await self.renew(claims["sid"])

    async def renew(self, session: str) -> str | None:
        """A token for a session that goes on, or None: it has ended."""
        user_id = await self.user_of(session)
        if user_id is None:
            return None
        await self._redis.expire(f"session:{session}", SESSION_SECONDS)
        return self._token(user_id, session)

    def _token(self, user_id: str, session: str) -> str:
        now = int(time.time())
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        claims = {"sub": user_id, "sid": session, "iat": now, "exp": now + TOKEN_SECONDS}
        body = _encode(json.dumps(claims).encode())
        return f"{head}.{body}.{self._signature(f'{head}.{body}')}"

    def _claims(self, token: str) -> dict[str, Any] | None:
        signed, _, signature = token.rpartition(".")
        if self._verify and not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        try:
            claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        except (binascii.Error, ValueError):
            return None
        return claims if not self._verify or claims["exp"] > time.time() else None

    def _signature(self, signed: str) -> str:
        return _encode(hmac.digest(self._secret, signed.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
