"""What a server may answer that is wrong, hostile, large, late or half, and what PromQL reads. No Prometheus needed."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from tests.plugins.prometheus_server import asking
from tests.runbooks import HEAD
from warroom.api import Context
from warroom.model.signal import Sample
from warroom.runbook.render import print_check
from warroom.testing.clock import VirtualClock
from warroom_prometheus import plugin
from warroom_prometheus.config import Config
from warroom_prometheus.promql import checked, histograms, newest, ranges, selectors
from warroom_prometheus.reading import Counter
from warroom_prometheus.standing import secret_names

Answer = Callable[[str], web.StreamResponse]


def vector(*values: object, at: float | None = None, **more: Any) -> web.Response:
    when = time.time() if at is None else at
    result = [{"metric": {"n": str(n)}, "value": [when, value]} for n, value in enumerate(values)]
    body = {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    return web.Response(text=json.dumps(body), content_type="application/json")


def error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"status": "error", "errorType": kind, "error": message}, status=status)


def together(reply: web.StreamResponse) -> web.StreamResponse:
    """The answer to several queries in one: the first one's series by that name, and the newest sample's time. As the
    server does, an expression of another type is refused."""
    assert isinstance(reply, web.Response)
    try:
        said = json.loads(reply.text or "")
        data = said["data"]
        if data["resultType"] != "vector":
            return error(400, "bad_data", "expected type instant vector in call to function label_replace")
        for one in data["result"]:
            one["metric"] = {**one.get("metric", {}), "warroom": "value"}
        data["result"].append({"metric": {"warroom": "newest"}, "value": [time.time(), str(time.time() - 3)]})
    except (ValueError, LookupError, TypeError, RecursionError, UnicodeDecodeError):
        return reply
    return web.Response(text=json.dumps(said), content_type="application/json")


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server that answers queries by ``answer``, and fails on anything that is no query."""

    async def on_query(request: web.Request) -> web.StreamResponse:
        assert set(request.query) == {"query", "timeout"}, request.query_string
        assert request.headers["Authorization"].startswith("Basic ")
        query = request.query["query"]
        if query.startswith("max(label_replace(max(timestamp("):
            return vector(str(time.time() - 3))
        return together(answer(query)) if query.startswith("label_replace((\n") else answer(query)

    app = web.Application()
    app.router.add_get("/prom/api/v1/query", on_query)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/prom"
    finally:
        await runner.cleanup()


async def first(answer: Answer, unit: str = "count", **more: Any) -> Sample:
    async with answering(answer) as url:
        signals = {"x": {"unit": unit, "query": "some_metric", **more}}
        async with asking(url, signals=signals, timeout="60s") as ctx:  # ten thousand series take their time
            return await sampled(ctx)


async def sampled(ctx: Context) -> Sample:
    assert plugin.signals is not None
    stream = plugin.signals.samples(ctx, frozenset({"x"}))
    try:
        async with asyncio.timeout(90):
            return await anext(stream)
    finally:
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say


def plain(text: str, kind: str = "text/html", status: int = 200, **headers: str) -> Answer:
    return lambda _: web.Response(text=text, content_type=kind, status=status, headers=headers)


SAID = "success"
WRONG: list[tuple[str, Answer, str]] = [
    ("HTML", plain("<html>sign in</html>"), "HTTP 200 with text/html"),
    ("HTML as JSON", plain("<html>", "application/json"), "HTTP 200 with application/json"),
    ("JSON as text", plain('{"status":"success"}', "text/plain"), "HTTP 200 with text/plain"),
    ("nothing", plain("", "application/json"), "no Prometheus"),
    ("a list", plain("[]", "application/json"), "no Prometheus"),
    ("no data", plain('{"status":"success"}', "application/json"), "no Prometheus"),
    ("deep", plain('{"status":' * 5000 + "1" + "}" * 5000, "application/json"), "no Prometheus"),
    ("NaN in JSON", plain('{"status":"success","data":NaN}', "application/json"), "no Prometheus"),
    ("500", plain("oops", status=500), "HTTP 500"),
    ("401", plain("who", status=401), "does not let warroom in"),
    ("302", plain("", status=302, Location="/login?\nx"[:7]), "HTTP 302 leads to /login"),
    ("elsewhere", plain("", status=302, Location="http://169.254.169.254/"), "a redirect was not followed"),
    ("429", plain("slow down", status=429), "asks to be left alone"),
    ("bad data", lambda _: error(400, "bad_data", "1:5: parse error: x"), "can't read the query: bad_data: 1:5"),
    ("execution", lambda _: error(422, "execution", "many-to-many"), "refuses the query: execution: many"),
    ("gave up", lambda _: error(503, "timeout", "query timed out"), "gave the query up"),
    ("a control byte", lambda _: error(422, "execution", "\x1b[31mred\nline"), "refuses the query"),
    ("no reason", lambda _: web.json_response({"status": "error"}, status=422), "without a reason"),
    ("no pair", lambda _: web.json_response(result({"metric": {}})), "no time and value"),
    ("half a pair", lambda _: web.json_response(result({"value": [1]})), "no time and value"),
    (
        "no list",
        lambda _: web.json_response({"status": SAID, "data": {"resultType": "vector", "result": 1}}),
        "which query",
    ),
    ("a string", lambda _: web.json_response({"status": SAID, "data": {"resultType": "string"}}), "gives a string"),
    ("many", lambda _: vector(*["1"] * 10_000), "10,000 series, one was expected"),
    ("no number", lambda _: vector("forty"), "'forty', not a number"),
    ("a bare number", lambda _: vector(40), "not written as"),
    ("NaN", lambda _: vector("NaN"), "NaN"),
    ("infinite", lambda _: vector("+Inf"), r"\+Inf"),
    ("negative", lambda _: vector("-1"), "is negative"),
    ("a histogram", lambda _: web.json_response(result({"histogram": [time.time(), {}]})), "a whole histogram"),
    ("half", lambda _: vector("1", warnings=["store gateway 3 timed out"]), "a part may be missing: store gateway 3"),
    ("behind", lambda _: vector("1", at=time.time() - 3600), "clock is 59:59 behind|clock is 1:00:0. behind"),
    ("ahead", lambda _: vector("1", at=time.time() + 3600), "clock is 59:5. ahead|clock is 1:00:00 ahead"),
]


def result(one: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [one]}}


@pytest.mark.parametrize(("answer", "words"), [pytest.param(a, w, id=name) for name, a, w in WRONG])
async def test_a_wrong_answer_is_unknown_and_says_why(answer: Answer, words: str) -> None:
    import re

    sample = await first(answer)
    assert (sample.value, sample.count) == (None, None)
    assert re.search(words, sample.words), sample.words
    assert "\n" not in sample.words
    assert len(sample.words) <= 300


async def test_a_good_answer_has_the_samples_own_time() -> None:
    sample = await first(lambda _: vector("42"))
    assert sample.value == 42
    assert sample.at.timestamp() == pytest.approx(time.time() - 3, abs=20)


async def test_warnings_can_be_accepted() -> None:
    sample = await first(lambda _: vector("1", warnings=["a store is down"]), accept_warnings=True)
    assert (sample.value, sample.words) == (1, "warning: a store is down")


async def test_a_slow_answer_is_unknown_in_words() -> None:
    async def on_query(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError("never")

    app = web.Application()
    app.router.add_get("/api/v1/query", on_query)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        signals = {"x": {"unit": "count", "query": "up"}}
        async with asking(url, signals=signals, timeout="0.3s") as ctx:
            sample = await sampled(ctx)
    finally:
        await runner.cleanup()
    assert sample.value is None
    assert "did not answer in 0.3 s" in sample.words


async def test_a_packed_flood_is_cut() -> None:
    body = gzip.compress(b'{"status":"success","data":"' + b"x" * 30_000_000 + b'"}')
    headers = {"Content-Encoding": "gzip"}
    sample = await first(lambda _: web.Response(body=body, content_type="application/json", headers=headers))
    assert sample.words == "the answer is too large: more than 8 MB; aggregate in the query, with sum(…)"


async def test_nobody_there() -> None:
    async with asking("http://127.0.0.1:1", signals={"x": {"unit": "count", "query": "up"}}) as ctx:
        sample = await sampled(ctx)
        assert plugin.readiness is not None
        rows = await plugin.readiness.ready(ctx)
    assert sample.value is None
    assert "could not be reached" in sample.words
    assert rows[-1].status == "not-ready"
    assert rows[-1].fix


async def test_it_is_left_alone_for_as_long_as_it_asks() -> None:
    clock, asked = VirtualClock(), 0

    def answer(_: str) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=429, headers={"Retry-After": "100"}, text="slow")

    signals = {"x": {"unit": "count", "query": "vector(1)"}}
    async with answering(answer) as url, asking(url, clock=clock, every="5s", signals=signals) as ctx:
        assert plugin.signals is not None
        stream = plugin.signals.samples(ctx, frozenset({"x"}))
        assert (await anext(stream)).value is None
        again = asyncio.ensure_future(anext(stream))
        while clock.sleepers < 1:
            await asyncio.sleep(0)
        await clock.advance(99)
        assert asked == 1
        await clock.advance(1.5)
        await again
        assert asked == 2
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say


async def test_a_question_that_failed_leaves_it_unknown_until_the_next_one_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not until the next scrape: the newest sample is still the same."""
    moment, works = time.time(), True
    monkeypatch.setattr(time, "time", lambda: moment)
    signals = {"x": {"unit": "count", "query": "some_metric"}}
    async with (
        answering(lambda _: vector("42") if works else web.Response(status=503, text="busy")) as url,
        asking(url, every="0.2s", signals=signals) as ctx,
        asyncio.timeout(60),
    ):
        assert plugin.signals is not None
        stream = plugin.signals.samples(ctx, frozenset({"x"}))
        known = await anext(stream)
        works = False
        assert (await anext(stream)).value is None
        works = True
        while (again := await anext(stream)).value is None:
            pass
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    assert (again.value, again.at) == (known.value, known.at) == (42, known.at)


def test_overlapping_counts_are_counted_once() -> None:
    counter = Counter(60)
    assert counter.new(120, at=0) == 120
    assert [counter.new(120, at=15.0 * n) for n in range(1, 5)] == [30, 30, 30, 30]
    assert counter.new(120, at=60 + 600) == 120


@pytest.mark.parametrize(("scrapes", "told"), [("5", True), ("10", True), ("20", False), ("NaN", False)])
async def test_readiness_says_where_scrapes_are_seldom(scrapes: str, told: bool) -> None:
    def answer(query: str) -> web.Response:
        seldom = query == "max(count_over_time(some_metric[5m]) and some_metric offset 5m)"
        return vector(scrapes if seldom else str(time.time()))

    signals = {"x": {"unit": "count", "query": "some_metric"}}
    async with answering(answer) as url, asking(url, signals=signals) as ctx:
        assert plugin.readiness is not None
        rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
    assert rows["prometheus-server"].words == "it does not say its version"
    assert rows["prometheus-signal-x"].status == "ready"
    assert ("need a stale_after above that" in rows["prometheus-signal-x"].words) is told


async def test_series_that_answer_nothing_asked_are_no_answer() -> None:
    strange = {"metric": {"warroom": "other"}, "value": [time.time(), "1"]}

    async def on_query(request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": SAID, "data": {"resultType": "vector", "result": [strange]}})

    app = web.Application()
    app.router.add_get("/api/v1/query", on_query)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with asking(url, signals={"x": {"unit": "count", "query": "up"}}) as ctx:
            sample = await sampled(ctx)
    finally:
        await runner.cleanup()
    assert (sample.value, sample.words) == (
        None,
        "the answer can't be read: a series does not say which query it answers",
    )


def test_what_rounding_leaves_is_not_lost() -> None:
    counter = Counter(60)
    counter.new(0, at=0)
    assert sum(counter.new(1, at=5.0 * n) for n in range(1, 121)) == 10


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("up", ("up",)),
        ('up{job="a b{}"}', ('up{job="a b{}"}',)),
        ("sum by (le) (rate(x_bucket[5m]))", ("x_bucket",)),
        ("sum(rate(x[5m])) by (code, le)", ("x",)),
        ("a / on (instance) group_left (job) b", ("a", "b")),
        ('{__name__=~"a|b", x!="y"} or vector(0)', ('{__name__=~"a|b", x!="y"}',)),
        ("job:errors:ratio5m offset 1h # up", ("job:errors:ratio5m",)),
        ("max_over_time(rate(x[1m])[5m:30s] @ end())", ("x",)),
        ("a unless b and c or a", ("a", "b", "c")),
        ("a > bool 1e3 + -0.5 * Inf", ("a",)),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket{a='}'}[5m])))", ("x_bucket{a='}'}",)),
        ("count_values('v', build)", ("build",)),
        ("vector(1) + time()", ()),
        ("topk by (x) (3, y)", ("y",)),
        ('{"my.metric", a="b"}', ('{"my.metric", a="b"}',)),
    ],
)
def test_the_series_that_an_expression_reads(query: str, found: tuple[str, ...]) -> None:
    assert selectors(checked(query)) == found
    assert bool(newest(query)) is bool(found)


def test_ranges_and_histograms() -> None:
    assert ranges("rate(x[1h30m]) + rate(y[30s]) + rate(z[30s])") == (5400, 30)
    assert ranges("max_over_time(x[1h:5m])") == (3600,)
    assert histograms("histogram_quantile(0.9, rate(x_bucket[1m]))") == ("x_bucket",)
    assert histograms("rate(x_bucket[1m])") == ()


@pytest.mark.parametrize("query", ["", "# nothing", "sum(", "sum)", "a{b='c}", "a[5m", "a(]", "ä", "a\x00"])
def test_what_is_no_expression_is_said_before_it_is_asked(query: str) -> None:
    with pytest.raises(ValueError, match=r"expression|missing|closes nothing|can't be read"):
        checked(query)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"signals": {"a": {"query": "up"}}}, "unit"),
        ({"signals": {"a": {"query": "sum(", "unit": "count"}}}, "is missing at the end"),
        ({"signals": {"a": {"query": "up", "unit": "count", "count_over": "1m"}}}, "needs a count_query"),
        ({"signals": {"a": {"query": "up", "unit": "count", "count_query": "x"}}}, "count_over is needed"),
        ({"auth": {"user": "x"}}, "either bearer"),
        ({"auth": {"bearer": "env:A", "user": "x", "password": "env:B"}}, "either bearer"),
        ({"auth": {"bearer": "abc"}}, "bearer"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"base_url": "http://169.254.169.254"}, "never asked"),
        ({"base_url": "http://me:secret@prometheus"}, "no user name or password"),
        ({"every": "10ms"}, "every"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"base_url": "http://prometheus:9090", **config})
    assert words in str(caught.value)


def test_secrets_are_named_wherever_they_stand() -> None:
    auth = {"user": "x", "password": "env:PASSWORD"}
    config = Config.model_validate({"base_url": "http://p", "auth": auth, "headers": {"X-Key": {"secret": "env:KEY"}}})
    assert secret_names(config) == ["env:PASSWORD", "env:KEY"]


def test_a_mistake_in_a_runbook_has_its_place(tmp_path: Any) -> None:
    path = tmp_path / "warroom.yaml"
    text = """platforms:
  metrics:
    plugin: prometheus
    config:
      base_url: http://prometheus:9090
      signals:
        errors: {unit: ratio, query: "sum(rate(x[1m])"}
"""
    path.write_text(HEAD + text, encoding="utf-8")
    lines, status = print_check(path)
    assert status == 1
    line = len(HEAD.splitlines()) + 7
    assert any(f":{line}:38: " in told and "is missing at the end" in told for told in lines), lines
