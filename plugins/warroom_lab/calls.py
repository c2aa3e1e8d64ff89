"""The Calls that change the lab: begin something under a key, then wait for how it ended."""

from __future__ import annotations

from pydantic import JsonValue

from warroom.model.call import Call, HttpCall, Secret, Until
from warroom_lab.config import Config

LONGEST = 60
"""Seconds that a change of the lab may take."""


def change(config: Config, control_url: str, path: str, key: str, body: dict[str, JsonValue]) -> tuple[Call, ...]:
    """Begin it, wait for its end. Sent again under the same key, what was done is not done twice."""
    token = Secret(secret=config.token_secret, prefix="Bearer ")
    return (
        HttpCall(
            method="POST",
            url=f"{control_url}{path}",
            headers={"Authorization": token, "Idempotency-Key": key},
            body={**body},
            expect=(200, 202),
        ),
        HttpCall(
            method="GET",
            url=f"{control_url}/operations/{key}/outcome?wait={LONGEST}",
            headers={"Authorization": token},
            timeout_s=LONGEST + 10,
            expect=(200,),
        ),
    )


def until(url: str, field: str, equals: JsonValue, at_most_s: float) -> Call:
    """Ask the app itself until it says so."""
    return HttpCall(method="GET", url=url, until=Until(field=field, equals=equals, every_s=0.3, at_most_s=at_most_s))
