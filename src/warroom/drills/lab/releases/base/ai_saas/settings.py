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
    pool_size: int = 10

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            database_url=os.environ["DATABASE_URL"],
            redis_url=os.environ["REDIS_URL"],
            app_secret=os.environ["APP_SECRET"],
            payment_secret=os.environ["PAYMENT_SECRET"],
            memory_limit=int(os.environ.get("MEMORY_LIMIT_BYTES", "0")),
        )
