"""What the Compose operations work out without an engine: pins, the order, how long nothing was there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins.compose_images import Image
from warroom.errors import BadInput, Unreachable, WarroomError
from warroom.model.call import CallResult, ProcessCall
from warroom.testing.fakes import FakeReadDoor, a_context
from warroom_compose import calls, pins
from warroom_compose.config import Config
from warroom_compose.images import Image as Local
from warroom_compose.images import short
from warroom_compose.operations.args import TargetArgs
from warroom_compose.operations.definition import Definition, in_order
from warroom_compose.operations.downtime import Moment, from_lines, gap, outputs_of
from warroom_compose.operations.running import Start, StartArgs, Stop, StopArgs
from warroom_compose.operations.scene import unseen
from warroom_compose.operations.verdict import same_version, says
from warroom_compose.project import NoProject
from warroom_compose.times import NS, instant, ns_of

DIGEST = Image("v1").id
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def test_pins_are_read_as_they_are_written() -> None:
    held = {"web": f"127.0.0.1:5000/shop/web@{DIGEST}", "a.b-c_d": DIGEST}
    text = pins.rendered(held)
    assert pins.parsed(text, "x") == held
    assert pins.merged(text, {"web": DIGEST}, "x") == pins.rendered({**held, "web": DIGEST})
    assert pins.merged(None, held, "x") == text
    assert pins.merged(text, held, "x") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services:\n  web:\n    image: nginx\n",
        'services:\n  "web":\n    image: "x"\n    ports: []\n',
        'services:\n  "web":\n    ports: "x"\n',
        'volumes:\n  "web":\n    image: "x"\n',
    ],
    ids=["empty", "unquoted", "more", "other key", "other section"],
)
def test_pins_that_somebody_changed_are_not_overwritten(text: str) -> None:
    with pytest.raises(BadInput, match=r"/pins/shop\.yaml is not as warroom writes it"):
        pins.merged(text, {"web": DIGEST}, "/pins/shop.yaml")


def test_the_override_is_written_whole_and_for_its_owner() -> None:
    install, move = calls.write("/pins/a b.yaml", "services:\n")
    assert isinstance(install, ProcessCall)
    assert install.paste() == "printf %s 'services:\n' | install -D -m 600 /dev/stdin '/pins/a b.yaml.part'"
    assert move.paste() == "mv -f -T '/pins/a b.yaml.part' '/pins/a b.yaml'"


@pytest.mark.parametrize("running", [[], ["web"]])
def test_what_stands_as_it_is_meant_to_has_nothing_to_take_back(running: list[str]) -> None:
    line = ["docker", "compose"]
    facts: dict[str, Any] = {
        "usual": line,
        "bare": line,
        "running": running,
        "engine": "e",
        "definition": {},
        "containers": {},
    }
    config = Config.model_validate({"project": "shop", "services": {"web": {}}})
    stop = Stop().preview(config, StopArgs(services=("web",)), facts)
    start = Start().preview(config, StartArgs(services=("web",)), facts)
    assert (stop.idle, stop.inverse is None) == (not running, not running)
    assert (start.idle, start.inverse is None) == (bool(running), bool(running))


def test_services_come_after_what_they_need() -> None:
    defined = {
        "web": Definition(after=("db", "between")),
        "between": Definition(after=("api",)),
        "api": Definition(),
        "db": Definition(),
        "alone": Definition(),
        "this": Definition(after=("that",)),
        "that": Definition(after=("this",)),
    }
    assert in_order(["web", "api", "alone"], defined) == (("api", "alone"), ("web",))
    assert in_order(["web", "db", "api"], defined) == (("db", "api"), ("web",))
    assert sorted(sum(in_order(["this", "that"], defined), ())) == ["that", "this"]
    assert in_order(["unknown"], defined) == (("unknown",),)


def happened(*told: tuple[float, str, str]) -> list[Moment]:
    return [Moment(int(at * NS), container, "web", what, NEW) for at, container, what in told]


HEALTHY = "health_status: healthy"
SWAPPED = happened(
    (10, "old", "die"), (10.5, "old", "destroy"), (11, "new", "start"), (12.5, "new", "health_status: unhealthy")
)


def test_downtime_is_from_the_old_ones_end_to_the_new_ones_health() -> None:
    well = [*SWAPPED, *happened((14, "new", HEALTHY))]
    assert gap("web", well, {"old"}, checked=True).seconds == 4
    assert gap("web", well, {"old"}, checked=False).seconds == 1
    assert gap("web", SWAPPED, {"old"}, checked=True).seconds is None
    assert "healthy" in gap("web", SWAPPED, {"old"}, checked=True).words
    assert "4.0 s" in gap("web", well, {"old"}, checked=True).words


def test_downtime_of_several_is_while_none_of_them_was_there() -> None:
    replicas = happened(
        (10, "a", "die"),
        (11, "x", "start"),
        (12, "x", HEALTHY),
        (13, "b", "die"),
        (14, "y", "start"),
        (15, "y", HEALTHY),
    )
    assert gap("web", replicas, {"a", "b"}, checked=True).seconds == 0
    assert gap("web", replicas, {"a"}, checked=True).seconds == 2


def test_downtime_of_what_was_stopped_before_counts_from_then() -> None:
    came = happened((20, "new", "start"), (21, "new", HEALTHY))
    assert gap("web", came, {"old"}, checked=True, stopped_at=5 * NS).seconds == 16


def test_what_the_engine_does_not_remember_is_bounded_or_not_told() -> None:
    came = happened((20, "new", "start"), (21, "new", HEALTHY))
    bounded = gap("web", came, {"old"}, checked=True, created_at=18 * NS)
    assert (bounded.seconds, bounded.at_most) == (3, True)
    assert "at most 3.0 s" in bounded.words
    unknown = gap("web", came, {"old"}, checked=True)
    assert unknown.seconds is None
    assert "can't be told" in unknown.words
    assert gap("web", [], {"old"}, checked=True).seconds is None


def test_outputs_are_read_from_the_events_alone() -> None:
    lines = [
        f"{10 * NS} {'a' * 64} web die {OLD}",
        "time=now level=warning msg=something",
        f"{10 * NS + 1} {'a' * 64} web destroy {OLD}",
        f"{11 * NS} {'b' * 64} web start {NEW}",
        f"{12 * NS} {'b' * 64} web health_status: healthy {NEW}",
        f"{12 * NS} {'c' * 64} worker start ",
        "12",
        "",
    ]
    assert from_lines("\n".join(lines))[-2].what == HEALTHY
    assert outputs_of(from_lines("\n".join(lines))) == {
        "image.web": NEW,
        "containers.web": "b" * 12,
        "downtime_s.web": "2.000",
        "downtime_s": "2.000",
    }
    assert outputs_of([]) == {}


def test_the_engines_times_are_kept_to_the_microsecond() -> None:
    assert ns_of(instant("2026-11-23T06:50:09.832716757Z")) == 1795416609832716000
    assert ns_of(instant("2026-11-23T06:50:09Z")) == ns_of(instant("2026-11-23T08:50:09.0+02:00")) == 1795416609 * NS
    assert ns_of(instant("0001-01-01T00:00:00Z")) == ns_of(instant("")) == ns_of(instant("yesterday")) == 0


def test_names_of_versions_and_digests() -> None:
    assert same_version("v1.2", "1.2")
    assert not same_version("v1.2", "v1.2.0")
    assert short(f"shop/web@{NEW}") == f"shop/web@sha256:{'b' * 12}"
    assert short(NEW) == f"sha256:{'b' * 12}"
    assert Local(NEW).digest() == NEW


@pytest.mark.parametrize(
    ("answer", "version", "label", "commit", "well", "words"),
    [
        ({"version": "v2"}, "v2", "", "", True, "the app says v2"),
        ({"version": "2.0"}, "v2.0", "", "", True, "the app says 2.0"),
        ({"version": "v3"}, "v2", "", "", False, "the app says v3, not v2"),
        ({"version": "v3"}, "v2", "v2", "", False, "the app says v3, not v2"),
        ({"version": "2.1"}, "production", "2.1", "", True, "the app says 2.1"),
        ({"version": "v3"}, "latest", "", "", True, "the app says v3"),
        ({"version": "v3"}, f"sha256:{'b' * 12}", "", "", True, "the app says v3"),
        ({"commit": "abcdef1"}, "v2", "", "abcdef1234567", True, "the app says abcdef1"),
        ({"commit": "abcdef1"}, "v2", "", "1234567abcdef", False, "the app says abcdef1, not 1234567abcde"),
        ({"status": "ok"}, "v2", "", "", False, "does not say what it is"),
        (Unreachable("127.0.0.1 could not be reached"), "v2", "", "", False, "does not say what it is"),
    ],
    ids=[
        "same",
        "without v",
        "another",
        "label too",
        "by label",
        "latest",
        "by ID",
        "commit",
        "other commit",
        "nothing",
        "away",
    ],
)
async def test_what_the_app_says_is_held_against_what_its_image_is_called(
    answer: dict[str, str] | WarroomError, version: str, label: str, commit: str, well: bool, words: str
) -> None:
    url = "http://127.0.0.1:3000/api/version"
    reply = answer if isinstance(answer, WarroomError) else CallResult(status=200, data={**answer})
    ctx = a_context(None, FakeReadDoor().on_http("GET", url, reply))
    seen = await says(ctx, url, {"version": label, "commit": commit}, version)
    assert seen[0] is well
    assert words in seen[1]


@pytest.mark.parametrize(
    "args",
    [
        {"services": [], "digest": DIGEST},
        {"services": ["web", "web"], "digest": DIGEST},
        {"services": ["--detach"], "digest": DIGEST},
        {"services": ["web;id"], "digest": DIGEST},
        {"services": ["web"], "digest": "v1"},
        {"services": ["web"], "digest": DIGEST.upper()},
        {"services": ["web"], "digest": DIGEST, "images": {"db": "db:1"}},
        {"services": ["web"], "digest": DIGEST, "images": {"web": "--privileged"}},
        {"services": ["web"], "digest": DIGEST, "surprise": 1},
    ],
)
def test_arguments_that_are_no_names_are_refused(args: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TargetArgs.model_validate(args)


def test_a_project_without_containers_is_not_an_engine_that_is_away() -> None:
    gone = unseen(NoProject("There is no container of the project shop"))
    away = unseen(Unreachable("The Docker engine could not be reached", "connection refused"))
    assert gone.verdict == away.verdict == "cannot-tell"
    assert gone.seen == "There is no container of the project shop"
    assert away.seen.startswith("the engine can't be asked: ")
