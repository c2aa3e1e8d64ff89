"""The overview of signals, and one of them over time: limit, marks, gaps, ages. What is unknown is never drawn well."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual.content import Content

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.facts import the_plan, trigger
from tests.console.runbook import a_runbook
from tests.console.samples import GAP
from tests.console.story import Story
from warroom.console.panes import plots
from warroom.console.panes.health import HealthPane
from warroom.console.panes.metrics import REFRESH_S, MetricsPane
from warroom.console.panes.plots import Mark, Plotted, marks_of, plot, segments, thinned
from warroom.errors import WarroomError
from warroom.model import event as ev
from warroom.model import live as lv
from warroom.model.measuring import HOW
from warroom.model.signal import ComponentReading, Sample, SignalReading, TriggerReading
from warroom.testing.clock import START

BRAILLE = range(0x2801, 0x2900)


def opened() -> Story:
    story = Story()
    story.fires()
    story.opened("High error rate")
    return story


def sampled(*pairs: tuple[float, float | None]) -> tuple[Sample, ...]:
    """(seconds ago, value)."""
    return tuple(Sample(signal="s", value=value, at=START - timedelta(seconds=ago)) for ago, value in pairs)


def plotted(samples: tuple[Sample, ...], **other: object) -> Plotted:
    body: dict[str, object] = {"unit": "ratio", "limit": 0.05, "marks": (), "now": START, "seconds": 900.0, **other}
    return Plotted(samples=samples, **body)  # type: ignore[arg-type]  # the tests' own keywords


def columns(rows: list[Content]) -> set[int]:
    """The columns in which anything measured is drawn."""
    return {at for row in rows for at, char in enumerate(row.plain) if ord(char) in BRAILLE}


def test_a_gap_is_a_gap_and_nothing_is_drawn_across_it() -> None:
    steady = [(float(ago), 0.01) for ago in range(900, 0, -5) if not GAP[0] < ago < GAP[1]]
    seen = columns(plot(plotted(sampled(*steady)), 100, 12))
    first, last = min(seen), max(seen)
    at = [first + (last - first) * (900 - ago) / 900 for ago in GAP]
    hole = range(round(at[1]) + 2, round(at[0]) - 1)
    assert len(hole) > 5
    assert not seen & set(hole)
    assert {round(at[1]) - 2, round(at[0]) + 2} <= seen


def test_asked_and_not_known_is_a_gap_too() -> None:
    assert segments([(-30, 1.0), (-20, None), (-10, 2.0), (0, 3.0)]) == [[(-30, 1.0)], [(-10, 2.0), (0, 3.0)]]
    assert segments([(-30, None)]) == []
    lonely = columns(plot(plotted(sampled((300, None), (200, 0.03), (100, None))), 80, 10))
    assert len(lonely) == 1


@pytest.mark.parametrize("samples", [(), sampled((10, None), (5, None)), sampled((5000, 0.4))])
def test_nothing_measured_is_said_and_never_drawn_as_zero(samples: tuple[Sample, ...]) -> None:
    rows = plot(plotted(samples), 80, 12)
    assert columns(rows) == set()
    assert "Nothing was measured in the last 15 m" in rows[0].plain
    assert "unknown" in rows[0].plain


def test_a_peak_survives_thinning() -> None:
    run = [(float(at), 0.01) for at in range(-50_000, 0)]
    run[23_456] = (run[23_456][0], 0.9)
    kept = thinned(run, 400)
    assert len(kept) <= 402
    assert max(value for _, value in kept) == 0.9
    assert kept == sorted(kept)


def test_a_graph_begins_where_measuring_began() -> None:
    young = sampled((200, 0.1), (100, 0.1), (5, 0.1), (700, None))
    assert plots.fitting(young, START, 900) == 300
    assert plots.fitting(young[:2], START, 60) == 60
    assert plots.fitting((), START, 900) == 900
    assert plots.fitting(sampled((5000, 0.1)), START, 900) == 900


def styled(row: Content, style: str) -> bool:
    return any(str(span.style).startswith(style) for span in row.spans)


def test_the_limit_and_the_marks_stand_in_the_plot() -> None:
    marks = (
        Mark(START - timedelta(seconds=600), "v1.0.0-beta.3", "deploy"),
        Mark(START - timedelta(seconds=60), "rollback to v1.0.0-beta.2 began", "rollback"),
        Mark(START - timedelta(seconds=5000), "long before", "deploy"),
    )
    rows = plot(plotted(sampled(*((float(ago), 0.01) for ago in range(900, 0, -5))), marks=marks), 100, 20)
    assert len(rows) == 20
    text = [row.plain for row in rows]
    limit = next(row for row in rows if row.plain.startswith("5.0 %"))
    assert styled(limit, "$error")
    assert any(styled(row, "$warning") for row in rows[:-3])
    assert any(styled(row, "$success") for row in rows[:-3])
    assert text[-2] == "│ 02:50:00 deployed v1.0.0-beta.3"
    assert text[-1] == "│ 02:59:00 rollback to v1.0.0-beta.2 began"
    assert "02:45:00" in text[-3]
    assert "03:00:00" in text[-3]
    assert "long before" not in "\n".join(text)


def test_a_change_within_a_rollback_is_the_rollbacks() -> None:
    story, plan = opened(), the_plan()
    story.push(ev.PlanProposed(plan=plan, hash=plan.hash), ev.RunStarted(hash=plan.hash))
    began = story.now()
    story.pass_time(20)
    story.push(ev.RunEnded(hash=plan.hash, outcome="done", detail="", seconds=20))
    changes = ((began - timedelta(seconds=500), "v1.0.0-beta.3"), (began + timedelta(seconds=25), "v1.0.0-beta.2"))
    assert [(mark.words, mark.kind) for mark in marks_of(changes, story.state)] == [
        ("v1.0.0-beta.3", "deploy"),
        ("rollback to v1.0.0-beta.2 began", "rollback"),
        ("v1.0.0-beta.2", "rollback"),
    ]


@pytest.mark.parametrize("cells", [20, 40, 74, 200])
@pytest.mark.parametrize("rows", [6, 7, 12, 50])
def test_a_plot_keeps_to_its_room(cells: int, rows: int) -> None:
    made = plot(plotted(sampled(*((float(ago), ago / 1000) for ago in range(900, 0, -1)))), cells, rows)
    assert len(made) <= rows
    assert all(row.cell_length <= cells for row in made)


@pytest.mark.parametrize("unit", ["ratio", "ms", "s", "bytes", "state", "per-minute", "count"])
@pytest.mark.parametrize("value", [0.0, -3.0, 1e12, 1e-9])
def test_every_unit_and_every_value_can_be_drawn(unit: str, value: float) -> None:
    for limit in (None, 0.0, 1.0):
        assert columns(plot(plotted(sampled((20, value), (10, value)), unit=unit, limit=limit), 80, 12))


# On the screen


async def zoomed(console: Driver) -> str:
    await console.press("G")
    await console.settle()
    return console.text()


async def test_one_signal_over_time(start: Start) -> None:
    async with start(opened(), (120, 40)) as console:
        text = await zoomed(console)
        assert "3 Health" not in text
        assert "▸ ✖ 5xx" in text  # what fires comes first
        assert "newest sample 5 s ago, last 15 m" in text
        assert "limit 5 %" in text
        assert "firing 0:20, after 0:20 (prod. 5 m)" in text
        assert "deployed v1.0.0-beta.3" in text
        await console.press("down")
        assert "▸ ◔ p95" in console.text()
        assert console.story.queries[-1] == lv.SamplesQuery(signal="p95", seconds=900)
        await console.press("left")
        assert console.story.queries[-1] == lv.SamplesQuery(signal="p95", seconds=3600)
        assert "last 1 h" in console.text()
        await console.press("right", "right", "right", "up")
        assert console.story.queries[-1] == lv.SamplesQuery(signal="error-rate", seconds=60)
        await console.press("G")
        assert "3 Health" in console.text()


async def test_in_calm_the_first_measured_number_is_drawn(begin: Start) -> None:
    story = Story()
    story.calm()
    async with begin(story, (120, 40)) as console:
        text = await zoomed(console)
        assert "? webhooks" in text  # what is unknown is listed before what is well
        assert "▸ ● 5xx" in text


async def test_zoomed_from_the_pane_and_left_with_escape(begin: Start) -> None:
    async with begin(opened(), (200, 60)) as console:
        await console.press("4", "z")
        await console.settle()
        assert "newest sample" in console.text()
        await console.press("escape")
        assert "newest sample" not in console.text()


async def test_a_small_screen_has_a_plot_too(begin: Start) -> None:
    async with begin(opened()) as console:
        text = await zoomed(console)
        assert "newest sample" in text
        assert any(ord(char) in BRAILLE for char in text)
        assert "6 Plan" in text


async def test_samples_are_asked_for_politely(begin: Start) -> None:
    story = opened()
    async with begin(story, (120, 40)) as console:
        pane = console.app.main.query_one(MetricsPane)
        now = [0.0]
        pane._clock = lambda: now[0]

        def asked() -> int:
            return sum(isinstance(query, lv.SamplesQuery) for query in story.queries)

        console.app.main.tick()
        await console.settle()
        assert asked() == 0  # not zoomed: nothing to ask for
        await zoomed(console)
        assert asked() == 1
        for _ in range(20):
            console.app.main.tick()
            await console.settle()
        assert asked() == 1
        now[0] += REFRESH_S
        console.app.main.tick()
        await console.settle()
        assert asked() == 2


async def test_samples_that_cannot_be_read_are_said_so(begin: Start) -> None:
    story = opened()

    def broken(query: lv.SamplesQuery) -> lv.SamplesPage:
        raise WarroomError("The samples can't be read", "the disk is gone")

    story.pages[lv.SamplesQuery] = broken
    async with begin(story, (120, 40)) as console:
        text = await zoomed(console)
        assert "The samples can't be read. the disk is gone" in text
        assert not any(ord(char) in BRAILLE for char in text)


async def test_the_order_is_firing_pending_clearing_unknown_ok(begin: Start) -> None:
    story = opened()
    async with begin(story, (200, 60)) as console:
        story.live(
            a=SignalReading(id="a", title="aaa-fine", unit="ms", value=1, age_s=1, freshness="fresh"),
            b=SignalReading(id="b", title="bbb-lost", unit="ms", value=None, freshness="unknown"),
            c=SignalReading(id="c", title="ccc-fires", unit="ms", value=9, age_s=1, freshness="fresh", limit=1),
            t=trigger("c-high", "C high", "firing", "c", 9),
        )
        await console.settle()
        text = console.text()
        order = ["5xx", "ccc-fires", "p95", "bbb-lost", "aaa-fine"]
        assert sorted(order, key=text.index) == order


async def test_what_nobody_measures_says_where_it_is_read_how_that_is_mended(begin: Start) -> None:
    """Not of what is measured and can't be told at this moment."""
    fed = a_runbook().model_dump(mode="json", by_alias=True)["signals"]
    fed["p95"]["source"] = {"platform": "lab", "signal": "p95"}
    measured, whole, narrow = ("performance", ""), f"└ nobody measures it: {HOW}", f"└ 1 unfed: {HOW}"
    for (lost, told), size in (
        (measured, (200, 60)),
        (("redis-failing", whole), (200, 60)),
        (("payments", narrow), (80, 24)),
    ):
        story = Story(a_runbook(signals=fed))
        async with begin(story, size) as console:
            story.live(t=trigger(lost, "Lost", "unknown", "x", None))
            await console.settle()
            assert "1 unknown: Lost" in console.text()
            assert (HOW in console.text()) == bool(told)
            assert told in console.text()
            pane = console.app.main.query_one(MetricsPane)
            assert len(pane.draw(60, 1).lines) == 1, "advice takes no row from what is measured"


async def test_health_tells_old_and_missing_from_well(begin: Start) -> None:
    story = opened()
    async with begin(story, (200, 60)) as console:
        story.live(
            old=ComponentReading(id="old", title="old-one", status="unknown", words="no data", age_s=400),
            none=ComponentReading(id="none", title="no-age", status="ok", words="answers"),
            platform=lv.PlatformReading(id="lab", plugin="lab", status="unknown", words="no answer"),
        )
        await console.settle()
        rows = {
            name: row
            for row in console.text().splitlines()
            for name in ("old-one", "no-age", "lab (lab)")
            if name in row
        }
        assert "? old-one" in rows["old-one"]
        assert "stale no data" in rows["old-one"]
        assert "7 m" in rows["old-one"]
        assert "? no-age   unknown answers" in rows["no-age"]
        assert "? lab (lab): unknown no answer" in rows["lab (lab)"]
        assert "● 4 well" not in console.text()


async def test_what_fails_says_why_in_full_and_what_nobody_measures_comes_last(begin: Start) -> None:
    story = opened()
    why = "3 of 3 ready; web-6f-1: CrashLoopBackOff (its last end: exit code 1), started again many times by now"
    async with begin(story, (120, 40)) as console:
        pane = console.app.main.query_one(HealthPane)
        snapshot = pane.store.snapshot
        assert snapshot is not None
        runbook = snapshot.runbook
        bare = {"redis": runbook.signals["redis"].model_copy(update={"source": None})}
        changed = runbook.model_copy(update={"signals": {**runbook.signals, **bare}})
        pane.store.snapshot = snapshot.model_copy(update={"runbook": changed})
        story.live(
            redis=ComponentReading(id="redis", title="redis", status="unknown", words="nobody measures it"),
            web=ComponentReading(id="web", title="web", status="failing", words=why, age_s=1),
            auth=ComponentReading(id="auth", title="sign-in", status="ok", words="answers", age_s=1),
        )
        await console.settle()
        drawn = [row.plain for row in pane.draw(40, 20).lines]
        first = next(n for n, row in enumerate(drawn) if row.startswith("✖ web"))
        assert "CrashLoopBackOff" in " ".join(drawn[first + 1 : first + 3])
        places = {name: next(n for n, row in enumerate(drawn) if name in row) for name in ("sign-in", "redis")}
        assert places["sign-in"] < places["redis"]


def test_the_longest_and_the_shortest_span_are_in_reach() -> None:
    assert tuple(sorted(plots.SPANS)) == plots.SPANS
    assert lv.SamplesQuery(signal="s", seconds=plots.SPANS[-1]).seconds == plots.SPANS[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_what_it_began_after_stands_by_the_graph_on_any_screen(begin: Start, size: tuple[int, int]) -> None:
    story, words = opened(), "errors began 40 s after v1.0.0-beta.3"
    firing = {k: v for k, v in story.live_values().items() if isinstance(v, TriggerReading) and v.status == "firing"}
    story.live(**{key: value.model_copy(update={"since_release": words}) for key, value in firing.items()})
    async with begin(story, size) as console:
        assert words in await zoomed(console)


async def test_a_limit_of_nothing_reads_as_a_limit(begin: Start) -> None:
    story = Story()
    story.calm()
    rows = SignalReading(id="rows", title="rows bad", unit="count", value=0, age_s=1, freshness="fresh", limit=0)
    story.live(rows=rows)
    async with begin(story, (80, 24)) as console:
        await console.press("4")
        assert "0 > 0" not in console.flat()
        assert "0 limit 0" in console.flat()


async def test_signals_whose_names_begin_alike_can_be_told_apart_on_a_small_screen(begin: Start) -> None:
    story = Story()
    story.calm()
    for name in ("an invariant", "a foreign key"):
        told = {"title": f"rows that break {name}", "unit": "count", "value": 67, "age_s": 1, "freshness": "fresh"}
        story.live(**{name.split()[1]: SignalReading.model_validate({"id": name.split()[1], **told})})
    async with begin(story, (80, 24)) as console:
        assert "…invari" in console.text()
        assert "…foreig" in console.text()
        assert "rows tha" not in console.text()
