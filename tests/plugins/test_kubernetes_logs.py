"""Logs of workloads: each line once, whose it is and when, through broken connections, ends and replaced pods."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import reading
from tests.plugins.kubernetes_watching import gathering, outside
from warroom_kubernetes.logs import WAITING, Following, Position
from warroom_kubernetes.watch.events import concerns, event
from warroom_kubernetes.watch.live import pod
from warroom_kubernetes.watch.scene import Scene
from warroom_kubernetes.watch.stamps import NS, moment, since_time, stamped

BASE = 1_795_416_695 * NS


def test_a_lines_time_is_to_the_nanosecond() -> None:
    assert stamped(b"2026-11-23T06:51:35.000000001Z out: \xc3\xa4") == (BASE + 1, b"out: \xc3\xa4")
    assert stamped(b"2026-11-23T08:51:35.9+02:00 x") == (BASE + 900_000_000, b"x")
    assert stamped(b"2026-11-23T06:51:35Z") == (BASE, b"")
    assert stamped(b"2026-11-23T06:51:35Z  two blanks") == (BASE, b" two blanks")
    for text in (b"", b"no time", b"2026-13-45T99:51:35Z x", b"2026-11-23T06:51:35Zx"):
        assert stamped(text) is None
    assert since_time(BASE + NS - 1) == "2026-11-23T06:51:35Z"
    assert moment(BASE) == datetime(2026, 11, 23, 6, 51, 35, tzinfo=UTC)


@given(
    steps=st.lists(st.tuples(st.integers(0, 3 * NS // 2), st.sampled_from(["a", "b"])), max_size=40),
    skew=st.integers(0, NS),
    breaks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
)
@example(steps=[(0, "a"), (0, "b")], skew=NS, breaks=[(1, 1)])
@example(steps=[(0, "a"), (0, "a"), (0, "b")], skew=0, breaks=[(2, 1), (3, 2)])
def test_a_connection_that_begins_anew_neither_loses_nor_doubles(
    steps: list[tuple[int, str]], skew: int, breaks: list[tuple[int, int]]
) -> None:
    """Equal lines at one time are several; one of the two streams is written a little behind the other."""
    lines, now = [], BASE
    for later, text in steps:
        now += later
        lines.append((now - (skew if text == "b" else 0), text.encode()))
    position, read = Position(), 0
    seen: list[tuple[int, bytes]] = []
    for there, reads in [*breaks, (len(lines), 10_000)]:
        begins = position.begins()
        given = [(number, *one) for number, one in enumerate(lines[: max(there, read)]) if one[0] >= begins]
        for number, ns, told in given[:reads]:
            if position.take(ns, told):
                seen.append((ns, told))
                read = max(read, number + 1)
    assert Counter(seen) == Counter(lines)


def test_what_is_kept_to_know_a_line_again_does_not_grow() -> None:
    position = Position()
    for number in range(20_000):
        position.take(BASE + number * NS // 100, b"x")
    assert len(position._lately) <= 400


# ---- events


def an_event(**more: Any) -> dict[str, Any]:
    about = {"kind": "Pod", "name": "web-5d8-1"}
    return {"metadata": {"name": "e"}, "type": "Warning", "reason": "BackOff", "involvedObject": about, **more}


def test_an_event_of_either_form_is_told() -> None:
    old = event(an_event(count=5, lastTimestamp="2026-11-23T06:51:35Z", message="Back-off restarting"))
    assert (old.words, old.level) == ("Pod web-5d8-1: BackOff (×5): Back-off restarting", "error")
    series = {"count": 3, "lastObservedTime": "2026-11-23T06:51:36.5Z"}
    new = event(an_event(series=series, lastTimestamp=None, eventTime="2026-11-23T06:50:00Z", note="later"))
    assert (new.count, new.at) == (3, datetime(2026, 11, 23, 6, 51, 36, 500_000, tzinfo=UTC))
    assert event(an_event(type="Normal", reason="Pulled")).level == "info"
    assert event(an_event(reason="Unhealthy")).level == "warning"
    assert event({}).words.strip() == ":"


def test_events_of_others_are_none_of_ours() -> None:
    one = event(an_event())
    assert concerns(one, frozenset({"web"}))
    assert not concerns(one, frozenset({"we", "worker", "web-5d8-1-x"}))


# ---- on a cluster


async def test_a_rollout_is_followed_from_pod_to_pod(cluster: Cluster, namespace: Namespace) -> None:
    one = await outside(namespace.workload, "web")
    async with gathering(namespace, signals=False, logs=True) as found:

        def sources() -> set[str]:
            return {line.source for line in found.lines if line.source != "kubernetes"}

        await found.until(lambda: len(sources()) >= 2, "both pods write")
        first = sources()
        await outside(one.set_image, cluster.images.next)
        await outside(one.wait_rolled_out)
        await found.until(lambda: len(sources()) >= 4, "the new ones too")
        names = {f"{pod['metadata']['name']}/app" for pod in await outside(one.pods)}
        assert sources() - first == names
        assert all(line.at is not None for line in found.lines)
        await found.until(lambda: any(t.endswith("is ready") for t in found.texts("kubernetes")), "readiness is told")
        await found.until(lambda: any(t.endswith("is gone") for t in found.texts("kubernetes")), "the old ones go")


@pytest.mark.needs("kube-emulator")
async def test_each_line_comes_once_through_an_end_and_an_api_that_starts_anew(
    cluster: Cluster, namespace: Namespace
) -> None:
    one = await outside(namespace.workload, "web", replicas=1)
    name = (await outside(one.pods))[0]["metadata"]["name"]
    steer = cluster.steer
    async with gathering(namespace, signals=False, logs=True) as found:

        async def say(*lines: str) -> None:
            await outside(steer.say, namespace.name, name, *lines)
            await found.until(lambda: all(line in found.texts(name) for line in lines), f"{lines} are read")

        await say("one", "two")
        await outside(steer.say, namespace.name, name, "its last words")
        await outside(steer.crash, namespace.name, name, "", 3)
        await found.until(lambda: "its last words" in found.texts(name), "what it wrote last")
        await found.until(lambda: any("ended with exit code 3" in t for t in found.texts("kubernetes")), "its end")
        await found.until(one.rolled_out, "it was started again")
        await say("three")
        await outside(steer.restart, 0.3)
        await say("four")
        counted = Counter(found.texts(name))
        assert {counted[text] for text in ("one", "two", "its last words", "three", "four")} == {1}


@pytest.mark.needs("kube-emulator")
async def test_what_a_container_wrote_before_it_ended_is_read_afterwards(
    cluster: Cluster, namespace: Namespace
) -> None:
    one = await outside(namespace.workload, "web", replicas=1)
    name = (await outside(one.pods))[0]["metadata"]["name"]
    await outside(cluster.steer.say, namespace.name, name, "its last words")
    await outside(cluster.steer.crash, namespace.name, name)
    async with gathering(namespace, signals=False, logs=True) as found:
        await found.until(lambda: "its last words" in found.texts(name), "the log of the one before")


async def test_what_nobody_reads_does_not_grow_and_what_is_left_out_is_counted(namespace: Namespace) -> None:
    async with reading(namespace) as ctx:
        following = Following(ctx, Scene(ctx))
        old = pod({"metadata": {"name": "web-1", "uid": "1"}})
        for _ in range(WAITING + 7):
            following._told_of(old, replace(old, deleting=True))
        telling = asyncio.create_task(following._tell())
        try:
            told = [(await following.lines.get()).text for _ in range(WAITING + 1)]
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    assert set(told[:-1]) == {"web-1 is being ended"}
    assert told[-1].startswith("warroom: 7 lines of what happened are not shown")


async def test_what_the_containers_are_given_is_redacted_in_their_logs(namespace: Namespace) -> None:
    """The template's own values are told to the redactor before the first line is read."""
    env = [{"name": "DB_PASSWORD", "value": "correct-horse-battery"}]
    container = {"name": "app", "image": namespace.cluster.images.good, "env": env}
    await outside(namespace.workload, "web", replicas=1, spec={"template": {"spec": {"containers": [container]}}})
    async with gathering(namespace, signals=False, logs=True) as found:
        await found.until(lambda: any(line.source != "kubernetes" for line in found.lines), "it writes")
        assert found.ctx.hidden("correct-horse-battery")
