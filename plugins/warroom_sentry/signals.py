"""Errors by the minute and new issues, one question after another, at the pace that Sentry allows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.signal import Sample
from warroom_sentry.asking import Asker, why
from warroom_sentry.config import Config, Errors, NewIssues
from warroom_sentry.reading import (
    Deployed,
    deployed_last,
    errors,
    new_issues,
    newest_minute,
    of_release,
    releases,
    skewed,
)


class SentrySignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        return {name: _offer(config, name, signal) for name, signal in config.signals.items()}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """Every ``every`` seconds, or as late as Sentry asks. A minute that was told is not told again."""
        config: Config = ctx.config
        if unknown := sorted(wanted - set(config.signals)):
            known = ", ".join(config.signals) or "none"
            raise BadInput(f"there is no Sentry signal {unknown[0]}", "", f"declared are: {known}")
        look = _Look(Asker(ctx), {name: config.signals[name] for name in sorted(wanted)})
        while wanted:
            began = ctx.clock.monotonic()
            for name in look.signals:
                sample = await look.at(name)
                if sample is not None:
                    yield sample
            look.turn_ends()
            pause = max(0.0, config.every - (ctx.clock.monotonic() - began))
            # What Sentry asked to wait is told again at each turn, as it grows shorter; nothing is sent meanwhile.
            await ctx.clock.sleep(pause)


def _offer(config: Config, name: str, signal: Errors | NewIssues) -> SignalOffer:
    unit: Literal["per-minute", "count"] = "per-minute" if isinstance(signal, Errors) else "count"
    # Errors come once a minute, some time after its end, and are only seen at the next look.
    fresh_for = 120 + signal.lag + 2 * config.every if isinstance(signal, Errors) else None
    return SignalOffer(signal.title or name, unit, active=False, every=config.every, fresh_for=fresh_for)


@dataclass
class _Look:
    asker: Asker
    signals: Mapping[str, Errors | NewIssues]
    project: str = ""
    newest: Deployed | None = None
    newest_known: bool = False
    told: dict[str, datetime] = field(default_factory=dict)

    async def at(self, name: str) -> Sample | None:
        signal = self.signals[name]
        try:
            self.project = self.project or await self.asker.project_id()
            if isinstance(signal, Errors):
                return await self._errors(name, signal)
            return await self._issues(name, signal)
        except WarroomError as error:
            return self._sample(name, None, self.asker.ctx.clock.now(), why(error))

    def turn_ends(self) -> None:
        self.newest, self.newest_known = None, False

    async def _errors(self, name: str, signal: Errors) -> Sample | None:
        query, release = signal.query, signal.release
        if release == "newest":
            release = (await self._newest()).version
        if signal.release != "all":
            query = of_release(query, release)
        data, server = await errors(self.asker, self.project, query)
        now = self.asker.ctx.clock.now()
        if problem := skewed(server, now, self.asker.config.skew):
            return self._sample(name, None, now, problem)
        minute = newest_minute(data, server, signal.lag)
        if self.told.get(name) == minute.end:
            return None
        self.told[name] = minute.end
        of = "" if signal.release == "all" else f" of {release}"
        return self._sample(name, minute.count, minute.end, f"{minute.count:g} errors{of} to {minute.end:%H:%M} UTC")

    async def _issues(self, name: str, signal: NewIssues) -> Sample:
        newest = await self._newest()
        found, whole, at = await new_issues(self.asker, self.project, newest.at, signal.query)
        since = f"since {newest.version} at {newest.at:%H:%M} UTC"
        least = "" if whole else "at least "
        told = "" if newest.by_deploy else ", when the release was made: Sentry knows of no deploy"
        return self._sample(name, float(len(found)), at, f"{least}{len(found)} new {since}{told}")

    async def _newest(self) -> Deployed:
        """The release deployed last, asked for once a turn."""
        if not self.newest_known:
            found = await releases(self.asker, self.project)
            self.newest, self.newest_known = deployed_last(found, self.asker.config.environment), True
        if self.newest is None:
            raise WarroomError("Sentry knows of no release", "so nothing is since its deploy", "tell it of releases")
        return self.newest

    def _sample(self, name: str, value: float | None, at: datetime, words: str) -> Sample:
        return Sample(signal=name, value=value, at=at, source=self.asker.ctx.platform, words=words[:300])
