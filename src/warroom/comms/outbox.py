"""The outbox: messages wait in the journal, and go out beside the work. No action ever waits for one.

Which messages are still to be sent is the journal's fold, so a crash loses none. An attempt whose answer was lost may
have arrived; it is sent again with the same message id. A channel that takes an id drops the second one; where a
channel knows none, a message may arrive twice, and is never silently missing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from warroom.api import Clock
from warroom.errors import TimedOut, TryLater, Unreachable, WarroomError
from warroom.model.event import MessageFailed, MessageQueued, MessageSent
from warroom.model.runbook import Runbook
from warroom.model.state import BY_HAND, Message, State

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
LONGEST_ASKED = 3600.0
"""A channel that asks for more is asked again after this all the same."""
MOST_ATTEMPTS = 12
SEND_TIMEOUT = 20.0

Send = Callable[[str, str], Awaitable[str]]
"""(message id, text) → the channel's receipt. Raises ``WarroomError`` when it was not taken."""


@dataclass(frozen=True)
class Sent:
    receipt: str


@dataclass(frozen=True)
class Again:
    """Not taken, or not known to be: try again in ``after_s`` seconds."""

    after_s: float
    reason: str


@dataclass(frozen=True)
class GivenUp:
    """It won't be taken by trying again. A person has to send it."""

    reason: str


def channels(runbook: Runbook) -> tuple[str, ...]:
    """Where messages go; ``BY_HAND`` alone where the runbook names no channel."""
    return tuple(runbook.channels) or (BY_HAND,)


def queue(runbook: Runbook, template: str, text: str, new_id: Callable[[], str]) -> tuple[MessageQueued, ...]:
    """One message for each channel, for the journal. They are durable before the first is tried."""
    return tuple(
        MessageQueued(message=new_id(), template=template, channel=channel, text=text) for channel in channels(runbook)
    )


def outstanding(state: State) -> tuple[Message, ...]:
    """Queued messages that a channel is to take, oldest first: what a new engine goes on with."""
    return tuple(m for m in state.messages.values() if m.status == "queued" and m.channel != BY_HAND)


async def deliver(
    message: Message,
    send: Send,
    clock: Clock,
    *,
    attempt: int = 1,
    timeout: float = SEND_TIMEOUT,
    jitter: Callable[[], float] = random.random,
) -> Sent | Again | GivenUp:
    """One attempt. Never raises, but when it is cancelled itself.

    No answer, a full channel and a channel that asks for a pause are tried again; a refusal is not.
    """
    began = clock.monotonic()
    try:
        async with asyncio.timeout(timeout):
            return Sent(await send(message.id, message.text))
    except TryLater as error:
        asked, reason = error.after_s, str(error)
    except (Unreachable, TimedOut) as error:
        asked, reason = None, str(error)
    except TimeoutError:
        asked, reason = None, f"no answer within {clock.monotonic() - began:.0f} s"
    except WarroomError as error:
        return GivenUp(str(error))
    except Exception as error:  # noqa: BLE001 - a notifier's fault must not end the outbox
        return GivenUp(f"the channel failed itself: {type(error).__name__}: {error}"[:300])
    if attempt >= MOST_ATTEMPTS:
        return GivenUp(f"tried {attempt} times, last: {reason}")
    return Again(pause(attempt, asked, jitter), reason)


def pause(attempt: int, asked: float | None, jitter: Callable[[], float] = random.random) -> float:
    """Seconds before the next attempt: doubling up to five minutes, never less than what the channel asked for.

    The jitter (0–1) only ever adds, up to half as much again, so that many outboxes don't come back at once.
    """
    backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 30))
    least: float = max(backoff, min(max(asked or 0.0, 0.0), LONGEST_ASKED))
    return least * (1 + 0.5 * min(1.0, max(0.0, jitter())))


async def carry(
    message: Message, send: Send, clock: Clock, *, jitter: Callable[[], float] = random.random
) -> AsyncGenerator[MessageSent | MessageFailed, None]:
    """Tries until the message is taken or given up. Each outcome is an event's body, for the caller to journal."""
    attempt = 1
    while True:
        outcome = await deliver(message, send, clock, attempt=attempt, jitter=jitter)
        if isinstance(outcome, Sent):
            yield MessageSent(message=message.id, receipt=outcome.receipt[:300])
            return
        final = isinstance(outcome, GivenUp)
        yield MessageFailed(message=message.id, reason=outcome.reason[:300], final=final)
        if isinstance(outcome, GivenUp):
            return
        attempt += 1
        await clock.sleep(outcome.after_s)
