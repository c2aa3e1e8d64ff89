"""What the service is told by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    app_secret: str
    payment_secret: str
    memory_limit: int
    """In bytes; whoever runs the service enforces it, the service only reports it. 0 when there is none."""
    ai_socket: str
    """The Unix sockets of the AI provider and of the mail server."""
    mail_socket: str
    csrf_protection: bool = True
    verify_tokens: bool = True
    """Off, a token is believed whoever signed it: for a developer's machine."""
    sign_in_attempts: int = 5
    """Failed ones that an account may have in a minute; 0 for no limit."""
    traces: int = 0
    """How many requests' traces are kept in memory."""
    pool_size: int = 10

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            database_url=os.environ["DATABASE_URL"],
            redis_url=os.environ["REDIS_URL"],
            app_secret=os.environ["APP_SECRET"],
            payment_secret=os.environ["PAYMENT_SECRET"],
            memory_limit=int(os.environ.get("MEMORY_LIMIT_BYTES", "0")),
            ai_socket=os.environ["AI_SOCKET"],
            mail_socket=os.environ["MAIL_SOCKET"],
            csrf_protection=os.environ.get("CSRF_PROTECTION", "on") != "off",
            verify_tokens=os.environ.get("VERIFY_TOKENS", "on") != "off",
            sign_in_attempts=int(os.environ.get("SIGN_IN_ATTEMPTS", "5")),
            traces=int(os.environ.get("TRACES", "0")),
        )
