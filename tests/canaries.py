"""Sixty secrets of twenty kinds, none of them real, each as it would stand in a text."""

from __future__ import annotations

import base64
import hashlib
import json
import string
from dataclasses import dataclass
from urllib.parse import quote

_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Canary:
    """``text`` is what is said, ``value`` the secret in it. ``known`` ones look like nothing, and are registered."""

    kind: str
    value: str
    text: str


def known(canary: Canary) -> bool:
    return canary.kind.startswith("known")


def said(canary: Canary) -> list[str]:
    """What must not be found: the value, its inner half, and the form that was said."""
    middle = len(canary.value) // 4
    half = canary.value[middle : middle + max(6, len(canary.value) // 2)]
    form = canary.text.split(" ", 1)[1] if known(canary) else canary.value
    if canary.kind == "known-base64":
        form = form[8:-8]
    return [canary.value, half, form]


def _random(kind: str, number: int, count: int, alphabet: str = _LETTERS) -> str:
    """Always the same for a kind and a number; has a letter and a digit."""
    digest = b"".join(hashlib.sha256(f"{kind} {number} {part}".encode()).digest() for part in range(8))
    drawn = "".join(alphabet[byte % len(alphabet)] for byte in digest[: count - 2])
    return f"{drawn}{alphabet[0]}{alphabet[-1]}"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _card(number: int) -> str:
    digits = "4" + _random("card", number, 14, string.digits)
    total = sum(int(d) * 2 - 9 * (int(d) > 4) if n % 2 == 0 else int(d) for n, d in enumerate(digits))
    plain = f"{digits}{-total % 10}"
    return " ".join(plain[at : at + 4] for at in range(0, 16, 4)) if number else plain


def _each(n: int) -> list[Canary]:
    def drawn(kind: str, count: int) -> str:
        return _random(kind, n, count)

    plain = f'{drawn("known", 9)}/{drawn("known2", 8)}+"é&'
    jwt = ".".join(("eyJ" + drawn("jwt1", 20), "eyJ" + drawn("jwt2", 30), drawn("jwt3", 43)))
    key = "\\n".join(drawn(f"pem{line}", 64) for line in range(3))
    user = _b64(f"app{n}:{drawn('basic', 14)}")
    form = (plain, quote(plain, safe=""), json.dumps(plain)[1:-1])[n]
    inner = (f"{plain}", f"u:{plain}", f"us:{plain}:x")[n]
    secret = {kind: drawn(kind, 24) for kind in ("bearer", "cookie", "pg", "redis", "mssql", "json", "flag", "azure")}
    aws, github, slack, stripe = (drawn(k, c) for k, c in (("aws", 18), ("gh", 36), ("slack", 24), ("stripe", 24)))
    aws = aws.upper()[:16]
    return [
        Canary("known", plain, f"raw {form}"),
        Canary("known-base64", plain, f"in {_b64(inner)}"),
        Canary("aws-key", f"AKIA{aws}", f"using AKIA{aws} now"),
        Canary("aws-secret", drawn("awss", 40), f"aws_secret_access_key = {drawn('awss', 40)}"),
        Canary("github", f"ghp_{github}", f"cloned with ghp_{github}"),
        Canary("gitlab", drawn("gitlab", 20), f"glpat-{drawn('gitlab', 20)}"),
        Canary("slack", slack, f"xoxb-1234567890-{slack}"),
        Canary("stripe", stripe, f"sk_live_{stripe}"),
        Canary("openai", drawn("openai", 40), f"sk-proj-{drawn('openai', 40)}"),
        Canary("google", drawn("google", 35), f"AIza{drawn('google', 35)}"),
        Canary("jwt", jwt, f"session {jwt} ok"),
        Canary("private-key", key, f"-----BEGIN RSA PRIVATE KEY-----\\n{key}\\n-----END RSA PRIVATE KEY-----"),
        Canary("url", secret["pg"], f"postgresql://app:{secret['pg']}@db:5432/app"),
        Canary("url-user", secret["redis"], f"rediss://:{secret['redis']}@cache:6379/0"),
        Canary("bearer", secret["bearer"], f"Authorization: Bearer {secret['bearer']}"),
        Canary("basic", user, f"sent Basic {user}"),
        Canary("cookie", secret["cookie"], f"Set-Cookie: sid={secret['cookie']}; HttpOnly"),
        Canary("connection", secret["mssql"], f"Server=db;Uid=app;Pwd={secret['mssql']};Timeout=5"),
        Canary("json", secret["json"], f'{{"client_secret":"{secret["json"]}"}}'),
        Canary("card", _card(n), f"paid with {_card(n)} today"),
    ]


CANARIES = tuple(canary for number in range(3) for canary in _each(number))
