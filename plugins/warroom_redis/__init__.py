"""Redis as an application's cache: whether it answers, how full it is, what it throws out. It reads only."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_redis.config import Config
from warroom_redis.evidence import StateCollector
from warroom_redis.signals import RedisSignals
from warroom_redis.standing import RedisIdentity, RedisReadiness

plugin = Plugin(
    name="redis",
    version="1",
    config=Config,
    collectors=(StateCollector(),),
    signals=RedisSignals(),
    readiness=RedisReadiness(),
    identity=RedisIdentity(),
    identity_lasts=False,  # of a single server it is the process's: written down, its next restart would block all
)
