"""Payment webhooks: signed by the provider, taken once each by their event id."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from .database import Pool
from .mail import Mail
from .users import upgrade


class Payments:
    def __init__(self, pool: Pool, secret: str, mail: Mail) -> None:
        self._pool = pool
        self._mail = mail
        self._secret = secret.encode()

    def signed(self, body: bytes, signature: str) -> bool:
        expected = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.encode())

    async def take(self, event: dict[str, Any]) -> bool:
        """Record a payment, upgrade its user and mail a receipt. False when this event was taken before."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                'INSERT INTO "Payment" ("id", "eventId", "userId", "amountCents", "currency", "status")'
                " VALUES (%s, %s, %s, %s, %s, 'succeeded') ON CONFLICT (\"eventId\") DO NOTHING",
                ("p" + secrets.token_hex(12), event["id"], event["userId"], event["amountCents"], event["currency"]),
            )
            if cursor.rowcount == 0:
                return False
            email = await upgrade(connection, event["userId"], "pro")
        if email is not None:
            self._mail.send(email, "Your receipt", f"{event['amountCents'] / 100:.2f} {event['currency']}. Thank you!")
        return True
