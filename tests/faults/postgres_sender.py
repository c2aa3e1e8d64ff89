"""Sends one SqlCall as the product does, in a process of its own that is to be killed while it does."""

from __future__ import annotations

import asyncio

from warroom.actions.sql_changing import execute
from warroom.actions.sql_reading import Server
from warroom.actions.store_urls import postgres_address
from warroom.model.call import SqlCall


def send(url: str, call: str) -> None:
    """``call`` is a SqlCall as JSON. Exits with 1 where it was refused, or its end is not known."""
    made = SqlCall.model_validate_json(call)
    address = postgres_address(made.secret, url)
    server = Server(address if made.database is None else address.of(made.database))
    raise SystemExit(asyncio.run(execute(server, made, str)).status)
