"""What helps to find a cause: kinds of errors by their masked message, new ones since the deploy, what changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.engines import a_running
from tests.world import until
from warroom.model import intent as it
from warroom.model.signal import LogLine
from warroom.signals.kinds import error_kinds, fingerprint
from warroom.signals.spool import LogSpool
from warroom.testing.clock import VirtualClock

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-03-02T03:00:01.5Z ERROR user 17 not found", "2026-03-09T04:00:01Z ERROR user 9917 not found"),
        ('relation "User" does not exist', 'relation "Order_2" does not exist'),
        ("id 4f3c2b1a-0000-4111-8111-111111111111 gone", "id 00000000-1111-4222-8333-444444444444 gone"),
        ("commit 9523213a at 0xdeadbeef", "commit 00ff213aa at 0x1"),
        ("took 12.4 ms, web-1", "took 3,120 ms, web-12"),
    ],
)
def test_two_messages_of_one_kind_have_one_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_two_kinds_have_two() -> None:
    said = ["user not found", "order not found", "can't connect to the cache", "can't connect to the database"]
    assert len({fingerprint(text) for text in said}) == len(said)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            'failed error="AttributeError(\'x\')" traceback="Traceback\\n File 7\\nAttributeError: x"',
            "AttributeError: failed error=‹…› traceback=‹…›",
        ),
        ("KeyError: 'plan'", "KeyError: ‹…›"),
        ("no such user", "no such user"),
    ],
)
def test_what_raised_it_is_part_of_the_kind_though_it_stands_in_quotes(text: str, kind: str) -> None:
    assert fingerprint(text) == kind


def a_spool(tmp_path: Path, lines: list[tuple[int, str]]) -> LogSpool:
    spool = LogSpool(tmp_path / "logs", VirtualClock(), lambda text: text)
    spool.append([LogLine(source="web", text=text, at=START + timedelta(seconds=at)) for at, text in lines])
    return spool


def test_new_kinds_since_the_deploy_come_first(tmp_path: Path) -> None:
    old = [(n, f"ERROR user {n} not found") for n in range(5)]
    since = [(10 + n, f"ERROR user {n} not found") for n in range(7)]
    new = [(20, 'ERROR column "plan" does not exist'), (21, 'ERROR column "seats" does not exist')]
    found = error_kinds(a_spool(tmp_path, [*old, *since, *new]), START + timedelta(seconds=10))
    assert [(kind.kind, kind.count, kind.new) for kind in found.kinds] == [
        ("ERROR column ‹…› does not exist", 2, True),
        ("ERROR user ‹n› not found", 7, False),
    ]
    assert found.first is not None
    assert found.first.at == START + timedelta(seconds=10)
    assert (found.looked_at, found.of) == (14, 14)


def test_without_a_line_from_before_the_deploy_nobody_can_say_what_is_new(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, [(10, "ERROR column gone")])
    assert [kind.new for kind in error_kinds(spool, START).kinds] == [None]
    assert [kind.new for kind in error_kinds(spool, None).kinds] == [None]


async def test_a_bundle_has_what_changed_and_which_errors_there_are(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await until(lambda: world.core.running is not None)
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.ChooseTarget(text="v2"))
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        folder = Path(world.state.evidence.path) / "causes"
    changes = json.loads((folder / "changes.json").read_bytes())
    assert changes["running"]["version"] == "v3"
    assert changes["target"]["version"] == "v2"
    assert changes["from_target_to_running"]["commits"] == ["the faulty one"]
    assert changes["from_target_to_running"]["config_keys"] == ["added GREETING"]
    assert json.loads((folder / "errors.json").read_bytes())["kinds"] == []
