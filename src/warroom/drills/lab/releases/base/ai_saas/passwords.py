"""Passwords: hashed with scrypt, ``scrypt$<n>$<r>$<p>$<salt>$<hash>``, salt and hash in hex."""

from __future__ import annotations

import asyncio
import hashlib
import hmac


def hashed(password: str, salt: bytes, n: int = 1024, r: int = 8, p: int = 1) -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32)
    return f"scrypt${n}${r}${p}${salt.hex()}${digest.hex()}"


async def matches(password: str, stored: str) -> bool:
    scheme, n, r, p, salt, digest = stored.split("$")
    if scheme != "scrypt":
        return False
    computed = await asyncio.to_thread(hashed, password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(computed.rpartition("$")[2], digest)
