"""The outbox: nothing lost, the channel's pauses kept, duplicates only where a channel knows no id."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from warroom.comms import BY_HAND, Again, GivenUp, Sent, carry, channels, deliver, outstanding, queue
from warroom.comms.outbox import LONGEST_ASKED, MOST_ATTEMPTS, pause
from warroom.errors import TimedOut, TryLater, Unreachable, WarroomError
from warroom.model.event import Body, MessageFailed, MessageQueued, MessageSent
from warroom.model.state import Message
from warroom.testing.builders import a_runbook, a_state, at
from warroom.testing.clock import VirtualClock

MESSAGE = Message(id="m-1", template="started", channel="ops", text="hello", status="queued", at=at())
CHANNELS = {"ops": {"platform": "lab"}, "all": {"platform": "lab"}}


class Channel:
    """Answers with what it was given, then with receipts. ``ids`` it has seen it takes once, if it knows ids."""

    def __init__(self, *answers: Exception | str, knows_ids: bool = True) -> None:
        self.answers, self.knows_ids = list(answers), knows_ids
        self.asked_at: list[float] = []
        self.arrived: Counter[str] = Counter()

    async def send(self, message_id: str, text: str) -> str:
        self.asked_at.append(0)
        answer = self.answers.pop(0) if self.answers else "receipt"
        if answer != "lost before" and not isinstance(answer, WarroomError):
            self.arrived[message_id] = 1 if self.knows_ids else self.arrived[message_id] + 1
        if isinstance(answer, Exception):
            raise answer
        if answer.startswith("lost"):
            raise TimedOut("no answer")
        return answer


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unreachable("down"), Again),
        (TimedOut("slow"), Again),
        (TryLater("429", after_s=30), Again),
        (TimeoutError(), Again),
        (WarroomError("the channel is archived"), GivenUp),
        (KeyError("a bug"), GivenUp),
    ],
)
async def test_what_is_tried_again(error: Exception, outcome: type[Again | GivenUp]) -> None:
    got = await deliver(MESSAGE, Channel(error).send, VirtualClock(), jitter=lambda: 0)
    assert isinstance(got, outcome)
    assert isinstance(got, Again | GivenUp)
    assert got.reason


async def test_a_receipt() -> None:
    assert await deliver(MESSAGE, Channel("ts-17").send, VirtualClock()) == Sent("ts-17")


async def test_the_last_attempt_gives_up_and_says_why() -> None:
    channel = Channel(Unreachable("down"))
    got = await deliver(MESSAGE, channel.send, VirtualClock(), attempt=MOST_ATTEMPTS)
    assert got == GivenUp(f"tried {MOST_ATTEMPTS} times, last: down")


async def test_a_hanging_channel_ends_at_its_timeout() -> None:
    async def hang(message_id: str, text: str) -> str:
        await asyncio.Event().wait()
        return ""

    got = await deliver(MESSAGE, hang, VirtualClock(), timeout=0.01)
    assert isinstance(got, Again)


async def test_being_cancelled_is_not_an_outcome() -> None:
    task = asyncio.create_task(deliver(MESSAGE, lambda _i, _t: asyncio.sleep(99, ""), VirtualClock()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("attempt", "asked", "least"),
    [
        (1, None, 2),
        (2, None, 4),
        (5, None, 32),
        (9, None, 300),
        (500, None, 300),
        (1, 30, 30),
        (8, 30, 256),
        (1, 1e9, LONGEST_ASKED),
    ],
)
def test_pauses(attempt: int, asked: float | None, least: float) -> None:
    assert pause(attempt, asked, lambda: 0) == least
    assert least < pause(attempt, asked, lambda: 0.7) <= least * 1.5


async def test_a_message_is_carried_to_its_receipt_and_every_pause_is_kept() -> None:
    clock = VirtualClock()
    tried: list[float] = []
    channel = Channel(Unreachable("down"), TryLater("429", after_s=30), "lost before", "ts-17")

    async def send(message_id: str, text: str) -> str:
        tried.append(clock.monotonic() - 1000)
        return await channel.send(message_id, text)

    async def collect() -> list[MessageSent | MessageFailed]:
        return [body async for body in carry(MESSAGE, send, clock, jitter=lambda: 0)]

    task = asyncio.create_task(collect())
    await clock.advance(100)
    bodies = await task
    assert tried == [0, 2, 32, 40]
    assert [body.type for body in bodies] == ["message-failed"] * 3 + ["message-sent"]
    assert not any(body.final for body in bodies if isinstance(body, MessageFailed))
    assert channel.arrived == {"m-1": 1}
    state = a_state(MessageQueued(message="m-1", template="started", channel="ops", text="hello"), *bodies)
    assert (state.messages["m-1"].status, state.messages["m-1"].receipt) == ("sent", "ts-17")
    assert "stakeholders-notified" in state.proofs


async def test_a_refusal_is_final_and_a_person_is_told() -> None:
    bodies = [body async for body in carry(MESSAGE, Channel(WarroomError("archived")).send, VirtualClock())]
    state = a_state(MessageQueued(message="m-1", template="started", channel="ops", text="hello"), *bodies)
    assert state.messages["m-1"].status == "failed"
    assert outstanding(state) == ()


@pytest.mark.parametrize(("knows_ids", "arrivals"), [(True, 1), (False, 2)])
async def test_an_answer_that_was_lost_doubles_only_where_no_id_is_known(knows_ids: bool, arrivals: int) -> None:
    """It arrived, but nobody knows: it must be sent again, with the same id."""
    clock = VirtualClock()
    channel = Channel("lost after", "ts-2", knows_ids=knows_ids)

    async def collect() -> list[MessageSent | MessageFailed]:
        return [body async for body in carry(MESSAGE, channel.send, clock)]

    task = asyncio.create_task(collect())
    await clock.advance(10)
    assert (await task)[-1].type == "message-sent"
    assert channel.arrived["m-1"] == arrivals


def test_one_message_a_channel_and_by_hand_without_any() -> None:
    ids = iter("abc")
    queued = queue(a_runbook(channels=CHANNELS), "started", "hello", lambda: next(ids))
    assert [(m.message, m.channel) for m in queued] == [("a", "ops"), ("b", "all")]
    assert channels(a_runbook()) == (BY_HAND,)
    (by_hand,) = queue(a_runbook(), "started", "hello", lambda: "m-1")
    state = a_state(by_hand)
    assert outstanding(state) == ()
    assert state.messages["m-1"].status == "queued"
    done = a_state(by_hand, MessageSent(message="m-1", receipt="", by_hand=True))
    assert "stakeholders-notified" in done.proofs


def test_what_was_queued_before_a_crash_is_still_to_be_sent() -> None:
    queued = queue(a_runbook(channels=CHANNELS), "started", "hello", iter("ab").__next__)
    state = a_state(*queued, MessageSent(message="a", receipt="ts-1"))
    assert [m.id for m in outstanding(state)] == ["b"]


def test_many_messages_push_out_those_that_arrived_first() -> None:
    bodies: list[Body] = []
    for number in range(80):
        bodies.append(MessageQueued(message=f"m-{number}", template="note", channel="ops", text="x"))
        if number % 2:
            bodies.append(MessageSent(message=f"m-{number}", receipt="r"))
    owed = [m.id for m in outstanding(a_state(*bodies))]
    assert owed == [f"m-{number}" for number in range(0, 80, 2)]
