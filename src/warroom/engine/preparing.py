"""Before anything is changed: evidence and the target."""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform as host
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import warroom
from warroom.actions.binding import NAME
from warroom.actions.evidence import Bundle, CollectorFolder, Sealed
from warroom.actions.ingress import clean_fact
from warroom.api import Collector
from warroom.decision.target import best_target
from warroom.engine import causes
from warroom.engine.core import Core
from warroom.engine.sensing import Sensing
from warroom.errors import (
    PluginBroken,
    ProgramMissing,
    Refusal,
    TimedOut,
    TryLater,
    Unreachable,
    WarroomError,
)
from warroom.files import private_folder, write_private
from warroom.model.base import sha256, stored
from warroom.model.event import (
    Actor,
    Attached,
    EvidenceCollected,
    EvidenceMissing,
    EvidenceSealed,
    EvidenceStarted,
    EvidenceUnsealed,
    TargetChosen,
)
from warroom.model.intent import Attach, CaptureEvidence, ChooseTarget
from warroom.model.live import ReleasesPage
from warroom.model.release import Release, ReleaseDiff
from warroom.model.units import many
from warroom.plugins import isolated
from warroom.signals.remembering import remembered

OWN = ("logs", "samples", "journal", "versions", "causes")
CLEANED = ("logs", "samples")
"""What the spool and the sample store hold passed the ingress before it was written."""
OWN_TIMEOUT = 60.0
PICTURE_WAIT = 3.0
OUT_OF_REACH = (Unreachable, TimedOut, TryLater, PluginBroken, ProgramMissing)
"""Errors that say nothing about a release: it can still be typed."""
STUBBORN = 2.0
"""Seconds that a collector gets to stop in, once its time is over."""


class Preparing:
    def __init__(self, core: Core, sensing: Sensing) -> None:
        self._core = core
        self._sensing = sensing
        self._bundle: Bundle | None = None
        self._picture: asyncio.Future[Attach] | None = None
        self._ends: dict[str, asyncio.Event] = {}
        self.sealed: Callable[[str, Path, Sequence[str]], None] = lambda bundle, path, names: None
        """Told of each bundle that was sealed, its folder, and who gave something to it."""

    def capturing_of(self, kinds: frozenset[str]) -> list[asyncio.Event]:
        """One event for each source of the present capture that may give one of ``kinds``, set when it has ended."""
        giving = {name: frozenset(collector.kinds) for name, (_, collector) in self._collectors().items()}
        giving |= {name: frozenset({name}) for name in OWN}
        return [ended for name, ended in self._ends.items() if giving.get(name, frozenset()) & kinds]

    async def capture(self, actor: Actor, intent: CaptureEvidence) -> str:
        core = self._core
        if self.capturing:
            raise Refusal("Evidence is being captured already", "", "it goes on beside everything else")
        number = len(core.state.sealed) + 1
        while (core.incident_folder / "evidence" / f"evidence-{number}").exists():
            number += 1
        bundle = Bundle(core.incident_folder / "evidence", f"evidence-{number}", self._id(), core.clock, core.redactor)
        self._bundle = bundle
        self._picture = asyncio.get_running_loop().create_future() if core.hub.people else None
        collectors = self._collectors()
        names = (*OWN, *(("console",) if self._picture else ()), *collectors)
        self._ends = {name: asyncio.Event() for name in names}
        try:
            await core.record(EvidenceStarted(bundle=bundle.id, collectors=names), actor=actor)
        except BaseException:
            self._bundle = self._picture = None
            self._ends = {}
            raise
        core.spawn("evidence", self._capture(bundle, names, collectors))
        return f"capturing {many(len(names), 'source')}"

    def _id(self) -> str:
        assert self._core.state.incident is not None
        return self._core.state.incident.id

    def _collectors(self) -> dict[str, tuple[str, Collector]]:
        return {
            f"{platform.id}.{collector.name}": (platform.id, collector)
            for platform in self._core.platforms.values()
            for collector in platform.plugin.collectors
        }

    async def _capture(
        self, bundle: Bundle, names: tuple[str, ...], collectors: dict[str, tuple[str, Collector]]
    ) -> None:
        """Every collector beside the others, each with its own time; one that is dead is recorded as missing."""
        core = self._core
        missing: dict[str, str] = {}

        async def one(name: str) -> None:
            folder = bundle.for_collector(name, cleaned=name in CLEANED, say=lambda words: core.doing(name, words))
            try:
                await self._collect(name, folder, collectors)
            except (WarroomError, OSError) as error:
                missing[name] = core.redactor.clean(str(error))
            finally:
                folder.close()
                core.doing(name, "")
                self._ends[name].set()
            if name in missing:
                await core.record(EvidenceMissing(bundle=bundle.id, collector=name, reason=missing[name]))
            else:
                found = bundle.of(name)
                await core.record(EvidenceCollected(bundle=bundle.id, collector=name, artifacts=found))

        try:
            with core.busy("capturing evidence"):
                ended = await asyncio.gather(*(one(name) for name in names), return_exceptions=True)
                if faults := [fault for fault in ended if isinstance(fault, BaseException)]:
                    raise faults[0]
                sealed = await asyncio.to_thread(bundle.seal, missing, self._versions())
                await core.record(_sealed(bundle.id, sealed))
                self.sealed(bundle.id, bundle.path, [name for name in names if bundle.of(name)])
        except Exception as error:  # a bundle without a seal is no evidence, and nobody waits for it any longer
            words = str(error) if isinstance(error, WarroomError) else f"{type(error).__name__}: {error}"
            await core.record(EvidenceUnsealed(bundle=bundle.id, reason=core.redactor.clean(words)[:400]))
            raise
        finally:
            if self._bundle is bundle:
                self._bundle = None
                self._picture = None
                self._ends = {}

    @property
    def capturing(self) -> bool:
        """Until its seal is published, not until its task has ended: who sees the seal may go on at once."""
        if self._bundle is None:
            return False
        now = self._core.state.evidence
        return now is None or now.bundle != self._bundle.id or now.status == "collecting"

    async def recover(self) -> None:
        """A capture that was cut off is not gone on with, and nothing of it is offered: it can be asked for again."""
        now = self._core.state.evidence
        if now is not None and now.status == "collecting" and self._bundle is None:
            reason = "warroom ended while it was captured"
            await self._core.record(EvidenceUnsealed(bundle=now.bundle, reason=reason))

    async def _collect(self, name: str, folder: CollectorFolder, collectors: dict[str, tuple[str, Collector]]) -> None:
        if name in collectors:
            platform_id, collector = collectors[name]
            context = self._core.platforms[platform_id].context
            return await self._in_time(name, partial(collector.collect, context, folder), collector.timeout_s)
        own = {
            "logs": self._logs,
            "samples": self._samples,
            "journal": self._journal,
            "versions": self._version_file,
            "causes": lambda folder: causes.keep(self._core, self._sensing, self, folder),
            "console": self._console,
        }
        return await self._in_time(name, partial(own[name], folder), OWN_TIMEOUT)

    async def _in_time(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], timeout: float) -> None:
        """Also for one that takes no notice of being cancelled: the others' evidence does not wait for it.

        The work is made by its task: one that is cancelled before it begins would leave it behind, never awaited.
        """

        async def ended() -> WarroomError | OSError | None:
            try:
                await isolated(name, work(), timeout=timeout)
            except (WarroomError, OSError) as error:
                return error
            return None

        task = self._core.spawn(f"evidence from {name}", ended())
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout + STUBBORN)
        finally:
            task.cancel()
        if not done:
            raise TimedOut(f"{name} does not stop", f"its {timeout:g} s were over, and it was told so")
        if error := task.result():
            raise error

    async def _logs(self, folder: CollectorFolder) -> None:
        """Every source's lines with their own times; each file as the spool holds it: redacted at ingress."""
        for source in self._sensing.spool.heads():
            name = hashlib.sha256(source.encode()).hexdigest()[:8]
            async with folder.file(f"{_file_name(source)}-{name}.log", kind="logs") as part:
                await asyncio.to_thread(self._sensing.spool.copy_source, source, part)

    async def _samples(self, folder: CollectorFolder) -> None:
        async with folder.file("samples.csv", kind="samples") as part:
            await self._sensing.store.export(part)

    async def _journal(self, folder: CollectorFolder) -> None:
        assert self._core.journal is not None
        events = await asyncio.to_thread(self._core.journal.events)
        await folder.write("journal.jsonl", b"".join(stored(event) + b"\n" for event in events), kind="journal")

    async def _version_file(self, folder: CollectorFolder) -> None:
        running = self._core.running.model_dump(mode="json") if self._core.running else None
        document = {"versions": self._versions(), "running": running, "runbook": self._core.runbook.hash}
        await folder.write("versions.json", json.dumps(document, indent=2).encode(), kind="versions")

    async def _console(self, folder: CollectorFolder) -> None:
        """A console draws itself and sends the picture. None that does in time is no reason to wait."""
        assert self._picture is not None
        try:
            async with asyncio.timeout(PICTURE_WAIT):
                picture = await asyncio.shield(self._picture)
        except TimeoutError:
            raise WarroomError("no console sent its picture", f"waited {PICTURE_WAIT:g} s") from None
        await folder.write(picture.name, picture.text.encode(), kind="picture")

    def _versions(self) -> dict[str, str]:
        plugins = {p.plugin.name: p.plugin.version for p in self._core.platforms.values()}
        return {"warroom": warroom.__version__, "python": host.python_version(), **plugins}

    async def attach(self, actor: Actor, intent: Attach) -> str:
        """A console's picture: into the bundle that is being made, else beside the journal."""
        core = self._core
        data = core.redactor.clean(intent.text).encode()
        if self._picture is not None and not self._picture.done():
            self._picture.set_result(intent)
        else:
            folder = core.incident_folder / "attachments"
            private_folder(folder)
            write_private(folder / f"{core.state.seq:06}-{intent.name}", data)
        await core.record(Attached(name=intent.name, sha256=sha256(data), size=len(data)), actor=actor)
        return "kept"

    async def choose_target(self, actor: Actor, intent: ChooseTarget) -> str:
        """Resolved by the platform that has releases; typed as it stands when that can't be reached."""
        core = self._core
        diff: ReleaseDiff | None = None
        with core.turn.giving_way():
            release, typed = await self.resolve(intent.text)
            if core.running is not None and not typed:
                diff = await self.diff(release)
        reason = intent.reason or f"chosen by {actor.name}"
        await core.record(TargetChosen(release=release, reason=reason, typed=typed, diff=diff), actor=actor)
        return f"target: {release.name}"

    async def resolve(self, text: str) -> tuple[Release, bool]:
        """(the release, whether it stands only as it was typed: what knows releases can't be reached).

        Raises Refusal for one that is proven not to be there, and for what is no name of a release.
        """
        problem: WarroomError | None = None
        for platform in self._core.platforms.values():
            if platform.plugin.releases is None:
                continue
            try:
                found = await isolated(
                    platform.id, platform.plugin.releases.resolve(platform.context, text), timeout=10
                )
                return clean_fact(self._core.redactor, found), False
            except Refusal:
                raise
            except OUT_OF_REACH:
                continue
            except WarroomError as error:
                problem = error
        if problem is not None:
            raise Refusal(
                f"{text} can't be the target",
                self._core.redactor.clean(str(problem)),
                "choose another",
                helps="choose-target",
            )
        word = text.strip()
        if not NAME.fullmatch(word):
            raise Refusal(f"{text!r} is no release", "a version, commit or digest was expected", "type it again")
        return Release(version=word, digest=word if word.startswith("sha256:") else None, note="typed by hand"), True

    async def diff(self, to: Release) -> ReleaseDiff | None:
        """What rolling back to ``to`` takes away again; None where no platform can tell."""
        running = self._core.running
        for platform in self._core.platforms.values():
            if platform.plugin.releases is None or running is None:
                continue
            try:
                work = platform.plugin.releases.diff(platform.context, to, running)
                return clean_fact(self._core.redactor, await isolated(platform.id, work, timeout=10))
            except WarroomError:
                continue
        return None

    async def releases(self) -> ReleasesPage:
        core = self._core
        history: list[Release] = []
        problem = "no platform of this runbook knows releases"
        for platform in core.platforms.values():
            if platform.plugin.releases is None:
                continue
            try:
                found = await isolated(platform.id, platform.plugin.releases.history(platform.context), timeout=10)
                history = [clean_fact(core.redactor, release) for release in found]
                problem = ""
                break
            except WarroomError as error:
                problem = core.redactor.clean(str(error))
        history = await self._with_what_was_seen(history)
        best, reason = best_target(history, core.running, core.state.failed_targets)
        return ReleasesPage(releases=tuple(history), running=core.running, best=best, reason=reason, problem=problem)

    async def _with_what_was_seen(self, history: list[Release]) -> list[Release]:
        try:
            return await remembered(self._sensing.store, history, self._core.clock.now().timestamp())
        except WarroomError:  # what can't be read of the samples is said in a row of its own
            return history


def _sealed(bundle_id: str, sealed: Sealed) -> EvidenceSealed:
    return EvidenceSealed(
        bundle=bundle_id,
        path=str(sealed.path),
        seal=sealed.seal,
        files=len(sealed.artifacts),
        size=sealed.size,
        kinds=sealed.kinds,
        counts=sealed.counts,
    )


def _file_name(source: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in source).strip("-")[:60] or "log"
