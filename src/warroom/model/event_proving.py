"""Events of trying whether sealed evidence is of use, such as a dump by restoring it beside."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warroom.model.base import Fact
from warroom.model.call import Call
from warroom.model.verification import Verdict


class ProofStarted(Fact):
    """On disk before the first of ``calls``. ``after`` take away what they make, however it ends."""

    type: Literal["proof-started"] = "proof-started"
    bundle: str
    collector: str
    words: str
    platform: str
    calls: tuple[Call, ...] = Field(min_length=1)
    after: tuple[Call, ...] = ()


class ProofEnded(Fact):
    """``inconclusive``: it was not tried, or something came between; ``words`` say what."""

    type: Literal["proof-ended"] = "proof-ended"
    bundle: str
    collector: str
    verdict: Verdict
    words: str
    seconds: float = 0
