"""Bytes to events: today's, older, newer, unknown, and hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.journals import rewritten
from warroom.errors import JournalReadOnly
from warroom.journal import codec
from warroom.journal.codec import decode, encode, why_unreadable
from warroom.journal.export import export_lines, read_events, show_lines
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.model.base import stored
from warroom.model.event import EVENTS, Actor, NoteAdded, Raw
from warroom.model.fold import fold_all
from warroom.testing.builders import an_event, an_incident

ME = Actor(name="op1", uid=1000)
NOTE = an_event(NoteAdded(text="hello"))


def changed(**changes: Any) -> bytes:
    return stored({**NOTE.model_dump(mode="json"), **changes})


def test_an_event_comes_back_the_same_with_its_order() -> None:
    event = an_event(an_incident())
    again = decode(encode(event), 1)
    assert again == event
    assert encode(again) == encode(event)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (changed(v=2), "a newer warroom (version 2"),
        (changed(v=2, body={"type": "teleported", "to": "mars"}, extra=1), "a newer warroom"),
        (changed(body={"type": "teleported"}), "a kind this warroom does not know"),
        (changed(body={"type": "note-added", "text": "x", "more": 1}), "a kind this warroom does not know"),
        (changed(body={"type": "raw", "body": 1}), "a kind this warroom does not know"),
        (changed(body=7), "a kind this warroom does not know"),
        (changed(at="yesterday", actor=[], id=None), "a kind this warroom does not know"),
        (changed(v="1.5"), "a kind this warroom does not know"),
        (changed(v=-3), "a kind this warroom does not know"),
        (changed(v=10**30), "a newer warroom"),
        (changed(seq=5), "a kind this warroom does not know"),
        (b"", "a kind this warroom does not know"),
        (b"\xff\xfe\x00", "a kind this warroom does not know"),
        (b"[]", "a kind this warroom does not know"),
        (b"[" * 100_000, "a kind this warroom does not know"),
        (b'{"seq":1,"body":' + b"[" * 500 + b"]" * 500 + b"}", "a kind this warroom does not know"),
        (b'{"seq":1,"body":NaN}', "a kind this warroom does not know"),
        (b'{"seq":1,"body":1e999}', "a kind this warroom does not know"),
        (b'{"seq":1,"body":"\\ud800"}', "a kind this warroom does not know"),
        (b'{"seq":1,"body":' + b"9" * 5000 + b"}", "a kind this warroom does not know"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:40].decode(errors="replace"),
)
def test_what_cannot_be_read_is_raw_and_says_why(data: bytes, reason: str) -> None:
    event = decode(data, 1)
    assert isinstance(event.body, Raw)
    assert reason in (why_unreadable(event) or "")
    assert event.seq == 1
    assert fold_all([event]).unreadable == 1
    assert EVENTS.validate_json(event.model_dump_json()) == event
    (line,) = show_lines([event])
    assert "can't read" in line
    assert line.isprintable()


def test_what_is_known_of_a_newer_entry_is_kept() -> None:
    event = decode(changed(v=2, body={"type": "teleported", "to": "mars"}), 1)
    assert (event.v, event.at, event.actor, event.id) == (2, NOTE.at, NOTE.actor, NOTE.id)
    assert event.body == Raw(body={"type": "teleported", "to": "mars"})


def test_an_older_entry_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_zero(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "body": {"type": "note-added", "text": document["body"]["said"]}}

    old = changed(v=0, body={"type": "note", "said": "hello"})
    assert isinstance(decode(old, 1).body, Raw)
    monkeypatch.setitem(codec.UPCASTS, 0, from_zero)
    assert decode(old, 1) == NOTE


async def make(state: Path) -> Path:
    folder = state / "incidents" / "INC-0001"
    journal = Journal.create(folder, "INC-0001")
    await journal.append(ME, an_incident(), NoteAdded(text="one"), NoteAdded(text="two"))
    await journal.close()
    return folder


async def test_a_journal_with_a_newer_entry_is_whole_and_opens_read_only(tmp_path: Path) -> None:
    folder = await make(tmp_path)
    rewritten(folder, lambda rows: {**rows, 2: rows[2].replace(b'"v":1', b'"v":2')})
    assert verify(folder).ok
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    journal = Journal.open(folder)
    assert journal.read_only == "entry 2 was written by a newer warroom (version 2, this one knows 1)"
    with pytest.raises(JournalReadOnly, match="newer warroom"):
        await journal.append(ME, NoteAdded(text="three"))
    assert [type(event.body).__name__ for event in journal.events()] == ["IncidentOpened", "Raw", "NoteAdded"]
    assert ([event.seq for event in journal.page(3, 1)], journal.last_seq) == ([2], 3)
    await journal.close()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (summary,) = StateFolder(tmp_path).incidents()
    assert (summary.damaged, "newer warroom" in summary.newer, summary.entries) == ("", True, 3)


async def test_an_export_is_what_was_stored(tmp_path: Path) -> None:
    folder = await make(tmp_path)
    events, reading = read_events(folder)
    lines = list(export_lines(folder))
    assert [EVENTS.validate_json(line) for line in lines] == events
    assert [line.encode() for line in lines] == list(reading.entries.values())


async def test_an_export_leaves_nothing_out_and_is_json_lines(tmp_path: Path) -> None:
    folder = await make(tmp_path)
    rewritten(folder, lambda rows: {**rows, 1: b'{"a":\n1}', 2: b"\xff{", 3: b'{"seq":3,"n":NaN}'})
    lines = [json.loads(line, parse_constant=pytest.fail) for line in export_lines(folder)]
    assert lines == [{"a": 1}, {"seq": 2, "unreadable": "\ufffd{"}, {"seq": 3, "unreadable": '{"seq":3,"n":NaN}'}]


async def test_a_line_for_people_has_place_time_name_and_words(tmp_path: Path) -> None:
    event = an_event(NoteAdded(text="x\x1b]0;"), 12, by="ann\ne\x07")
    assert list(show_lines([event])) == ["   12  2026-03-02 03:00:12  ann e␇  noted: x␛]0;"]
