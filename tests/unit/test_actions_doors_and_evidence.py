"""The change door executes what was shown and nothing else; evidence is private, hashed, and honest about itself."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from warroom.actions.binding import bind, fill
from warroom.actions.changing import Changing
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient
from warroom.actions.evidence import MANIFEST, Bundle, seal_of, verify
from warroom.engine.core import SystemClock
from warroom.errors import BadInput, DoorRefused, TimedOut, WarroomError
from warroom.model.call import Call, HttpCall, Private, ProcessCall, Ref, Secret, Until
from warroom.redact import Redactor

SECRET = "s3cr3t-of-the-test-0123456789"


def touching(path: Path) -> ProcessCall:
    return ProcessCall(argv=(sys.executable, "-c", "import sys, pathlib; pathlib.Path(sys.argv[1]).touch()", str(path)))


class Room:
    def __init__(self) -> None:
        self.http, self.log, self.redactor = HttpClient(), CommandLog(), Redactor()

    def door(self, *calls: Call) -> Changing:
        def secret(name: str) -> str:
            self.redactor.register(SECRET, name)
            return SECRET

        return Changing(calls, http=self.http, log=self.log, clock=SystemClock(), cleaner=self.redactor, secret=secret)


async def test_a_call_that_was_not_shown_is_refused_before_it_has_an_effect(tmp_path: Path) -> None:
    shown, other = touching(tmp_path / "shown"), touching(tmp_path / "other")
    door = Room().door(shown)
    with pytest.raises(DoorRefused, match="does not show"):
        await door.execute(other)
    await door.execute(shown)
    with pytest.raises(DoorRefused, match="does not show"):
        await door.execute(shown)
    assert [path.name for path in tmp_path.iterdir()] == ["shown"]


async def test_calls_go_in_their_order(tmp_path: Path) -> None:
    first, second = touching(tmp_path / "first"), touching(tmp_path / "second")
    with pytest.raises(DoorRefused):
        await Room().door(first, second).execute(second)
    assert list(tmp_path.iterdir()) == []


async def test_a_ref_that_is_not_bound_stops_the_call(tmp_path: Path) -> None:
    call = ProcessCall(argv=("echo", Ref(step="dump", output="name")))
    with pytest.raises(DoorRefused, match="not known yet"):
        await Room().door(call).execute(call)
    assert bind(call, {"dump": {"name": "one"}}) == ProcessCall(argv=("echo", "one"))
    with pytest.raises(BadInput, match="begins with '-'"):
        bind(call, {"dump": {"name": "--evil"}})
    with pytest.raises(BadInput, match="gave no name"):
        bind(call, {"dump": {}})


async def test_a_secret_goes_out_and_into_no_log(httpserver: HTTPServer) -> None:
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers["Authorization"])
        return Response(json.dumps({"echo": request.headers["Authorization"]}), content_type="application/json")

    httpserver.expect_request("/deploy").respond_with_handler(answer)
    headers: dict[str, Private] = {"Authorization": Secret(secret="file:/token", prefix="Bearer ")}
    call = HttpCall(method="POST", url=httpserver.url_for("/deploy"), headers=headers, body={"ref": "v2"})
    room = Room()
    result = await room.door(call).execute(call)
    await room.http.close()
    assert seen == [f"Bearer {SECRET}"]
    assert SECRET not in result.model_dump_json()
    assert SECRET not in "".join(line.text for line in room.log.newest(10))
    assert "Authorization: Bearer ‹" in room.log.newest(1)[0].text


async def test_a_loop_ends_when_the_field_is_there_and_at_its_bound(httpserver: HTTPServer) -> None:
    answers = iter(["starting", "starting", "ok"])
    httpserver.expect_request("/health").respond_with_handler(
        lambda request: Response(json.dumps({"status": next(answers, "never")}), content_type="application/json")
    )
    until = Until(field="status", equals="ok", every_s=0.05, at_most_s=5)
    call = HttpCall(method="GET", url=httpserver.url_for("/health"), until=until)
    room = Room()
    assert (await room.door(call).execute(call)).data == {"status": "ok"}
    short = call.model_copy(update={"until": until.model_copy(update={"at_most_s": 0.2})})
    with pytest.raises(TimedOut, match="did not become"):
        await room.door(short).execute(short)
    await room.http.close()


def test_placeholders_are_never_left_blank() -> None:
    names: dict[str, str | None] = {"target.version": "v2", "target.commit": None}
    assert fill({"ref": ["${target.version}"]}, names) == {"ref": ["v2"]}
    with pytest.raises(BadInput, match=r"target\.commit is not known"):
        fill("${target.commit}", names)
    with pytest.raises(BadInput, match="known names are"):
        fill("${target.colour}", names)


# ---- evidence --------------------------------------------------------------------------------------------------


def a_bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path / "evidence", "evidence-1", "INC-0001", SystemClock(), Redactor())


async def test_files_are_private_under_any_umask_and_every_change_is_named(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        bundle = a_bundle(tmp_path)
        folder = bundle.for_collector("lab.logs")
        await folder.write("app.log", b"password=hunter2-hunter2\n", kind="logs")
        async with folder.file("sub/db.dump", kind="dump") as part:
            part.write_bytes(b"\x00password=hunter2-hunter2")
        folder.counts({"User": 3})
        sealed = bundle.seal({"sentry": "away"}, {"warroom": "1"})
    finally:
        os.umask(before)
    found = list((tmp_path / "evidence").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert b"hunter2" not in (sealed.path / "lab.logs" / "app.log").read_bytes()
    assert b"hunter2" in (sealed.path / "lab.logs" / "sub" / "db.dump").read_bytes()
    assert verify(sealed.path) == []
    assert (sealed.kinds, sealed.counts) == (("dump", "logs"), {"User": 3})
    assert seal_of(sealed.path) == sealed.seal

    dump = sealed.path / "lab.logs" / "sub" / "db.dump"
    data = bytearray(dump.read_bytes())
    data[3] ^= 1
    dump.write_bytes(data)
    (sealed.path / "lab.logs" / "app.log").unlink()
    (sealed.path / "added").write_text("x")
    problems = "\n".join(verify(sealed.path))
    assert "lab.logs/sub/db.dump: changed" in problems
    assert "lab.logs/app.log: missing" in problems
    assert "added: not in the manifest" in problems
    (sealed.path / MANIFEST).write_bytes(b"{}")
    assert "can't be read" in verify(sealed.path)[0]


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "-rf", "", "x.part", "a\0b", "a//b/../c"])
async def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        await a_bundle(tmp_path).for_collector("evil").write(name, b"x")
    assert not (tmp_path / "out").exists()


async def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (bundle.path / "lab").symlink_to(elsewhere)
    with pytest.raises(WarroomError, match="is a link"):
        await bundle.for_collector("lab").write("app.log", b"x")
    assert list(elsewhere.iterdir()) == []


async def test_what_did_not_end_well_is_no_evidence(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    folder = bundle.for_collector("lab")

    async def fails() -> None:
        async with folder.file("db.dump", kind="dump") as part:
            part.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await fails()
    folder.close()
    with pytest.raises(WarroomError, match="too late"):
        await folder.write("late.log", b"x")
    assert bundle.seal({}, {}).artifacts == ()
    assert [path.name for path in bundle.path.rglob("*") if path.is_file()] == [MANIFEST]


def test_a_bundle_is_never_written_twice(tmp_path: Path) -> None:
    a_bundle(tmp_path)
    with pytest.raises((WarroomError, FileExistsError)):
        a_bundle(tmp_path)


def test_the_manifest_says_what_is_missing(tmp_path: Path) -> None:
    sealed = a_bundle(tmp_path).seal({"sentry": "away"}, {"warroom": "1"})
    manifest: dict[str, Any] = json.loads((sealed.path / MANIFEST).read_bytes())
    assert manifest["missing"] == {"sentry": "away"}
    assert manifest["incident"] == "INC-0001"
