"""What folding and redacting cost, as ratios measured in one run: absolute times say more about the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from warroom.model.event import Body, Event, NoteAdded, TriggerChanged
from warroom.model.fold import fold_all
from warroom.redact import Redactor
from warroom.testing.builders import a_trigger, an_event, an_incident

LINE = "2026-03-02T03:00:01Z INFO web-1 GET /api/conversations 200 12.4 ms user=1234 bytes=5120 trace=ab12cd34ef"


def seconds(do: Callable[[], object], times: int = 5) -> float:
    """The median of ``times`` runs, of the processor's time."""
    took = []
    for _ in range(times):
        began = time.process_time()
        do()
        took.append(time.process_time() - began)
    return statistics.median(took)


def a_story(count: int) -> list[Event]:
    bodies: list[Body] = [NoteAdded(text="x" * 100), TriggerChanged(was="ok", reading=a_trigger())]
    return [an_event(an_incident(), 1), *(an_event(bodies[n % 2], n) for n in range(2, count))]


def test_folding_ten_times_the_events_costs_about_ten_times_as_much() -> None:
    short, long = a_story(5_000), a_story(50_000)
    assert seconds(lambda: fold_all(long), 3) < 20 * seconds(lambda: fold_all(short))


def test_folding_costs_less_than_reading() -> None:
    story = a_story(5_000)
    raw = [event.model_dump_json() for event in story]
    reading = seconds(lambda: [Event.model_validate_json(text) for text in raw])
    assert seconds(lambda: fold_all(story)) < 3 * reading


def test_many_known_secrets_cost_an_ordinary_line_little_more_than_none() -> None:
    none, many = Redactor(), Redactor()
    for n in range(200):
        assert many.register(f"canary-{n:04}-zzQ", "c")
    lines = [LINE] * 2000
    assert seconds(lambda: many.clean_lines(lines)) < 4 * seconds(lambda: none.clean_lines(lines))
    assert seconds(lambda: [many.clean(line) for line in lines]) < 4 * seconds(
        lambda: [none.clean(line) for line in lines]
    )


def test_an_ordinary_line_costs_less_than_one_with_a_secret() -> None:
    redactor = Redactor()
    ordinary, secret = [LINE] * 2000, [f"{LINE} password=hunter2hunter2"] * 2000
    assert seconds(lambda: redactor.clean_lines(ordinary)) < seconds(lambda: redactor.clean_lines(secret))
