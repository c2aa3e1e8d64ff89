"""Runs a plan: INTENDED on disk, then exactly the Calls that were shown, then a look, then the outcome.

The runner knows nothing of the engine. It is given ``record`` (which returns once its events are durable), ``progress``
and doors. "Done" is what the operation's ``check`` saw, never an exit status.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from warroom.actions.binding import bind
from warroom.actions.changing import Changing, expected
from warroom.actions.ingress import clean_fact
from warroom.actions.pinned import Fingerprint, moved
from warroom.actions.platform import ActivePlatform
from warroom.api import Clock
from warroom.errors import BadInput, DoorRefused, JournalFull, JournalReadOnly, TimedOut, Unreachable, WarroomError
from warroom.model.call import Call, CallResult, ProcessCall
from warroom.model.event import CallMade, PlanVoided, RunEnded, StepEnded, StepIntended
from warroom.model.live import StepProgress
from warroom.model.plan import Look, Plan, Step
from warroom.model.state import StepState
from warroom.model.units import many
from warroom.redact import Redactor

log = logging.getLogger("warroom.actions")
Outcome = Literal["done", "failed", "cancelled", "unknown"]
SETTLED = ("done", "skipped", "claimed")
_ERROR = re.compile(r"\b(?:error|fatal|panic)\b", re.IGNORECASE)
_LAST = 8
"""Lines at the end among which the one that names an error is looked for."""
LOOK_S = 20.0
"""Seconds in which a person must be told how a step stands."""


@dataclass
class Ports:
    """What a run needs from the engine."""

    record: Callable[..., Awaitable[int]]
    progress: Callable[[StepProgress], None]
    changing: Callable[[ActivePlatform, tuple[Call, ...]], Changing]
    platforms: Mapping[str, ActivePlatform]
    read_fingerprint: Fingerprint
    clock: Clock
    cleaner: Redactor


@dataclass
class Ended:
    status: Literal["done", "failed", "cancelled", "unknown", "claimed"]
    detail: str
    look: Look | None = None
    outputs: dict[str, str] = field(default_factory=dict)


class Runner:
    def __init__(self, plan: Plan, plan_hash: str, steps: Mapping[str, StepState], ports: Ports) -> None:
        self.plan = plan
        self.hash = plan_hash
        self._steps = dict(steps)
        self._outputs = {step_id: state.outputs for step_id, state in steps.items()}
        self._ports = ports
        self._abort = asyncio.Event()
        self._claims: dict[str, asyncio.Future[str]] = {}
        self._open = ""

    def abort(self) -> None:
        """Stops the running Call and ends the run after a look. What was done stays done."""
        self._abort.set()

    async def aborted(self) -> None:
        """Returns once it was told to stop."""
        await self._abort.wait()

    def waits_for(self, step_id: str) -> bool:
        return step_id in self._claims and not self._claims[step_id].done()

    def claim(self, step_id: str, output: str) -> bool:
        """A person did the manual step. False when that step is not waiting for anyone."""
        if not self.waits_for(step_id):
            return False
        self._claims[step_id].set_result(output)
        return True

    async def run(self) -> Outcome:
        """Every run that can be recorded as ended is: whatever goes wrong in it, a person must be able to go on."""
        began = self._ports.clock.monotonic()
        outcome: Outcome
        try:
            outcome, detail = await self._all()
        except WarroomError as error:
            outcome, detail = self._broken_off(str(error))
        except Exception as error:  # a fault of ours ends the run, and says so
            log.exception("a run failed")
            outcome, detail = self._broken_off(f"warroom failed at this ({type(error).__name__})")
        seconds = self._ports.clock.monotonic() - began
        await self._ports.record(RunEnded(hash=self.hash, outcome=outcome, detail=detail, seconds=seconds))
        return outcome

    def _broken_off(self, why: str) -> tuple[Outcome, str]:
        """A step that was intended and whose end could not be recorded is unknown; else nothing was begun."""
        why = self._ports.cleaner.clean(why)
        return ("unknown", f"{self._open}: {why}") if self._open else ("failed", f"stopped: {why}")

    async def _all(self) -> tuple[Outcome, str]:
        changed: set[str] = set()
        for step in self.plan.steps:
            before = self._steps[step.id]
            if before.status in SETTLED:
                changed.update(step.preview.changes)
                continue
            if self._abort.is_set():
                return "cancelled", f"aborted before {step.title}"
            ports = self._ports
            reason = await moved(self.plan, step, ports.platforms, ports.read_fingerprint, changed)
            if reason:
                reason = ports.cleaner.clean(reason)
                await ports.record(PlanVoided(hash=self.hash, reason=reason))
                return "failed", f"stopped before {step.title}: {reason}"
            if self._abort.is_set():
                return "cancelled", f"aborted before {step.title}"
            ended = await self._one(step, before.attempt + 1)
            if ended.status in ("failed", "cancelled", "unknown"):
                return ended.status, f"{step.title}: {ended.detail}"
            self._outputs[step.id] = ended.outputs
            changed.update(step.preview.changes)
        return "done", f"{len(self.plan.steps)} of {many(len(self.plan.steps), 'step')} done"

    async def _one(self, step: Step, attempt: int) -> Ended:
        clock = self._ports.clock
        began = clock.monotonic()
        calls = tuple(bind(call, self._outputs) for call in step.preview.calls)
        await self._ports.record(
            StepIntended(
                plan=self.hash,
                step=step.id,
                attempt=attempt,
                calls=calls,
                inverse=self._inverse(step),
                no_inverse=step.preview.no_inverse,
            )
        )
        self._open = step.title
        watcher = _Progress(step, attempt, self._ports)
        ticker = asyncio.create_task(watcher.tick())
        try:
            ended = await self._act(step, attempt, calls, watcher)
        finally:
            ticker.cancel()
            await asyncio.wait({ticker})
        await self._ports.record(
            StepEnded(
                plan=self.hash,
                step=step.id,
                attempt=attempt,
                status=ended.status,
                detail=ended.detail,
                outputs=ended.outputs,
                look=ended.look,
                seconds=clock.monotonic() - began,
            )
        )
        self._open = ""
        return ended

    def _inverse(self, step: Step) -> tuple[Call, ...] | None:
        """Bound as far as it can be: an undo is a plan of its own, and knows no outputs of this one."""
        if step.preview.inverse is None:
            return None
        return tuple(self._bound_where_it_can_be(call) for call in step.preview.inverse)

    def _bound_where_it_can_be(self, call: Call) -> Call:
        try:
            return bind(call, self._outputs)
        except BadInput:
            return call

    async def _act(self, step: Step, attempt: int, calls: tuple[Call, ...], watcher: _Progress) -> Ended:
        if self._abort.is_set():
            return Ended("cancelled", "aborted before anything was done")
        work = asyncio.create_task(self._by_hand(step) if step.manual else self._execute(step, attempt, calls, watcher))
        stop = asyncio.create_task(self._abort.wait())
        try:
            await asyncio.wait({work, stop}, timeout=step.preview.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await self._outcome(step, work)
            aborted = self._abort.is_set()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            look = await self.look(step)
            if aborted:
                told = step.manual or look.verdict != "cannot-tell"  # else nobody can say what the Call still did
                return Ended("cancelled" if told else "unknown", f"aborted; {look.seen}", look)
            return _by_look(look, f"not ended within {step.preview.timeout_s:g} s")
        finally:
            # Also when warroom itself ends: what was started is gone before anyone else may look, or start again.
            stop.cancel()
            work.cancel()
            await asyncio.wait({work, stop})

    async def _outcome(self, step: Step, work: asyncio.Task[Ended]) -> Ended:
        if work.cancelled():
            return _by_look(await self.look(step), "the step cancelled itself")
        try:
            return work.result()
        except DoorRefused as error:
            return Ended("failed", self._ports.cleaner.clean(str(error)), await self.look(step))
        except (TimedOut, Unreachable, JournalFull, JournalReadOnly) as error:
            return _by_look(await self.look(step), self._ports.cleaner.clean(str(error)))
        except WarroomError as error:
            return Ended("failed", self._ports.cleaner.clean(str(error)), await self.look(step))
        except Exception as error:  # what a fault of ours or a plugin's left behind is looked at
            log.exception("step %s failed", step.id)
            why = self._ports.cleaner.clean(f"the step failed itself: {type(error).__name__}: {error}"[:400])
            return _by_look(await self.look(step), why)

    async def _execute(self, step: Step, attempt: int, calls: tuple[Call, ...], watcher: _Progress) -> Ended:
        platform = self._ports.platforms[step.platform]
        door = self._ports.changing(platform, calls)
        results: list[CallResult] = []
        for index, call in enumerate(calls):
            result = await door.execute(call, watcher.line)
            await self._ports.record(
                CallMade(plan=self.hash, step=step.id, attempt=attempt, index=index, result=result)
            )
            if not expected(call, result):
                look = await self.look(step)
                return Ended(
                    "failed", f"call {index + 1} answered {result.status}: {_why(call, result)}; {look.seen}", look
                )
            results.append(result)
        look = await self.look(step, step.preview.check_s)
        ended = _by_look(look, "every call came back as expected, yet it is not done")
        if ended.status == "done" and not step.undoes:
            ended.outputs = {**platform.operation(step.operation).outputs(results), **look.outputs}
        return ended

    async def _by_hand(self, step: Step) -> Ended:
        claim: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._claims[step.id] = claim
        output = await claim
        words = f"a person says it is done{': ' + _brief(output) if output else ''}"
        if not step.platform:
            return Ended("claimed", words)
        look = await self.look(step)
        return Ended("done" if look.verdict == "done" else "claimed", f"{words}; {look.seen}", look)

    async def look(self, step: Step, timeout_s: float = LOOK_S) -> Look:
        """The operation's own read-only check; what it raises is "cannot tell"."""
        return await look(step, self._ports.platforms, self._ports.cleaner, timeout_s)


async def look(
    step: Step, platforms: Mapping[str, ActivePlatform], cleaner: Redactor, timeout_s: float = LOOK_S
) -> Look:
    """What ``check`` sees of ``step`` now, an undo as the undo that it is. Read-only; also used after a crash."""
    platform = platforms.get(step.platform)
    if platform is None:
        return Look(verdict="cannot-tell", seen="only a person can see whether this was done")
    try:
        operation = platform.operation(step.operation)
        args = operation.args.model_validate(step.args)
        async with asyncio.timeout(timeout_s):
            seen = clean_fact(cleaner, await operation.check(platform.context, args, step.facts))
            return _turned(seen) if step.undoes else seen
    except TimeoutError:
        return Look(verdict="cannot-tell", seen=f"no answer within {timeout_s:g} s")
    except WarroomError as error:
        return Look(verdict="cannot-tell", seen=cleaner.clean(str(error)))
    except Exception as error:  # noqa: BLE001 - a plugin's fault is a row, never a crash
        return Look(verdict="cannot-tell", seen=cleaner.clean(f"the plugin failed: {type(error).__name__}: {error}"))


def _turned(seen: Look) -> Look:
    """``check`` knows only what the operation does: where that is done the undo has not begun, and the other way round.
    What is partly there is partly taken back."""
    if seen.verdict == "done":
        return seen.model_copy(update={"verdict": "not-begun"})
    return seen.model_copy(update={"verdict": "done"}) if seen.verdict == "not-begun" else seen


def _by_look(seen: Look, otherwise: str) -> Ended:
    if seen.verdict == "done":
        return Ended("done", seen.seen, seen)
    if seen.verdict == "cannot-tell":
        return Ended("unknown", f"{otherwise}; {seen.seen}", seen)
    return Ended("failed", f"{otherwise}; {seen.seen}", seen)


def _why(call: Call, result: CallResult) -> str:
    """A program says why it failed last, after what it did, and perhaps then what it was at; a server says it first."""
    lines = [line for line in result.text.splitlines() if line.strip()]
    if not lines or not isinstance(call, ProcessCall):
        return _brief(result.text)
    return _brief(next((line for line in reversed(lines[-_LAST:]) if _ERROR.search(line)), lines[-1]))


def _brief(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= 200 else line[:199] + "…"


class _Progress:
    """Live progress of one step: four times a second while it runs; its newest output lines."""

    def __init__(self, step: Step, attempt: int, ports: Ports) -> None:
        self._step = step
        self._attempt = attempt
        self._ports = ports
        self._began = ports.clock.monotonic()
        self._output: list[str] = []

    def line(self, stream: str, line: str) -> None:
        self._output = [*self._output[-19:], self._ports.cleaner.clean(line)[:500]]

    async def tick(self) -> None:
        while True:
            self._ports.progress(
                StepProgress(
                    step=self._step.id,
                    attempt=self._attempt,
                    elapsed_s=self._ports.clock.monotonic() - self._began,
                    expected_s=self._step.preview.expected_s or None,
                    output=tuple(self._output),
                    words="waiting for a person" if self._step.manual else "",
                )
            )
            await asyncio.sleep(0.25)
