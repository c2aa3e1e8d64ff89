"""Arguments that several operations share. What names something is checked against the form that Docker allows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from warroom.model.base import Duration, Fact
from warroom_compose.config import ServiceName

DIGEST = r"^sha256:[0-9a-f]{64}$"
REF = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,400}$"
"""An image as people write it, HOST:PORT/NAME:TAG@DIGEST; its parts are looked at when it is looked for."""

Services = Annotated[tuple[ServiceName, ...], Field(min_length=1, max_length=50)]
Digest = Annotated[str, Field(pattern=DIGEST)]


class ServicesArgs(Fact):
    services: Services

    @model_validator(mode="after")
    def _once(self) -> ServicesArgs:
        if len(set(self.services)) != len(self.services):
            raise ValueError("each service once")
        return self


class TargetArgs(ServicesArgs):
    """``digest`` is the release's identity: the digest of the image of the first of ``services``, or its ID where it
    was built on the host. Services of the same repository get the same image. Others get theirs by ``version`` (the
    tag), or as ``images`` says for each.
    """

    digest: Digest
    version: str = Field(default="", max_length=200)
    images: dict[ServiceName, Annotated[str, Field(pattern=REF)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> TargetArgs:
        if stray := [service for service in self.images if service not in self.services]:
            raise ValueError(f"images names {stray[0]}, which is none of services")
        return self


class CutOverArgs(TargetArgs):
    """``wait``: how long the new containers may take to become healthy."""

    wait: Annotated[Duration, Field(ge=1, le=1800)] = 60
