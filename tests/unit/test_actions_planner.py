"""From a procedure to a plan: every mistake is a sentence before anything runs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from tests.world import PLUGIN, RELEASES, Config, Deploy, a_world, world_runbook
from warroom.actions.binding import bind, fill, fill_commands
from warroom.actions.planner import Situation, make_plan, undo_plan
from warroom.actions.platform import ActivePlatform
from warroom.api import Context, Facts
from warroom.errors import BadInput, PluginBroken, TimedOut, WarroomError
from warroom.model.call import Call, HttpCall, ManualCall, ProcessCall, Ref, Secret
from warroom.model.plan import Plan
from warroom.model.runbook import Runbook
from warroom.testing.builders import a_call, a_preview, a_step
from warroom.testing.fakes import a_context

DEPLOY = {"title": "Deploy", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": "application"}


def a_book(*, kind: str = "rollback", expected: Any = (), **steps: Any) -> Runbook:
    procedure = {"title": "Swap", "use_when": "always", "kind": kind, "steps": steps, "expected": expected}
    return world_runbook(procedures={"swap": procedure})


def platforms(tmp_path: Any, operation: Deploy | None = None) -> dict[str, ActivePlatform]:
    plugin = dataclasses.replace(PLUGIN, operations=(operation or Deploy(),))
    folder = tmp_path / "world"
    config = Config(folder=folder if folder.exists() else a_world(folder))
    return {"world": ActivePlatform("world", plugin, a_context(config, platform="world"))}


async def planned(tmp_path: Any, book: Runbook, target: str | None = "v2", **more: Any) -> Plan:
    release = RELEASES[target] if target else None
    operation = more.pop("operation", None)
    situation = Situation("INC-0001", book, RELEASES["v3"], release, {"world": "world 1"})
    return await make_plan(situation, more.pop("procedure", "swap"), platforms(tmp_path, operation), **more)


async def test_a_plan_has_every_call_inverse_and_pinned_fact(tmp_path: Any) -> None:
    plan = await planned(tmp_path, a_book(one=DEPLOY))
    (step,) = plan.steps
    (call,) = step.preview.calls
    assert isinstance(call, ProcessCall)
    assert call.argv[-2] == "v2"
    assert step.preview.inverse is not None
    assert "v3" in step.preview.inverse[0].paste()
    assert step.preview.pinned == {"world.running": "v3", "world.spec": "world world"}
    assert (step.risk, step.role, step.plugin, step.plugin_version) == ("disruptive", "application", "world", "1")
    assert (plan.purpose, plan.fingerprint, plan.target) == ("rollback", {"world": "world 1"}, RELEASES["v2"])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"one": {**DEPLOY, "with": {"release": "${target.nothing}"}}}, r"the runbook uses \$\{target.nothing\}"),
        ({"one": {**DEPLOY, "with": {"release": "${}"}}}, r"the runbook uses \$\{\}"),
        ({"one": {**DEPLOY, "with": {}}}, "step one: release: Field required"),
        ({"one": {**DEPLOY, "with": {"release": "v2", "more": 1}}}, "step one: more: Extra inputs"),
        ({"one": {**DEPLOY, "with": {"release": ["v2"]}}}, "step one: release: Input should be a valid string"),
        ({"one": {**DEPLOY, "with": {"release": "v9"}}}, "there is no release v9"),
        ({"one": {**DEPLOY, "op": "world.destroy"}}, "world has no operation destroy.*deploy"),
        ({"one": {**DEPLOY, "op": "moon.deploy"}}, "step one needs the platform moon"),
        ({"one": {**DEPLOY, "if_needed": True}}, "Swap has no step to run"),
    ],
    ids=["unknown name", "no name", "missing", "extra", "wrong type", "refused", "operation", "platform", "no step"],
)
async def test_a_mistake_is_a_sentence(steps: Any, words: str, tmp_path: Any) -> None:
    with pytest.raises(BadInput, match=words):
        await planned(tmp_path, a_book(**steps))


async def test_an_unknown_procedure_or_step_is_named_with_those_there_are(tmp_path: Any) -> None:
    book = a_book(one=DEPLOY, two={**DEPLOY, "if_needed": True})
    with pytest.raises(BadInput, match=r"no procedure other.*swap"):
        await planned(tmp_path, book, procedure="other")
    unknown: tuple[dict[str, Any], ...] = ({"include": ("three",)}, {"manual": ("three",)})
    for more in unknown:
        with pytest.raises(BadInput, match=r"no step three.*one, two"):
            await planned(tmp_path, book, **more)


async def test_a_name_that_is_not_known_now_is_an_error_never_blank(tmp_path: Any) -> None:
    with pytest.raises(BadInput, match=r"target.version is not known"):
        await planned(tmp_path, a_book(one=DEPLOY), target=None)


async def test_steps_that_are_only_at_times_needed_are_taken_along_when_named(tmp_path: Any) -> None:
    book = a_book(one=DEPLOY, two={**DEPLOY, "if_needed": True}, three={**DEPLOY, "if_needed": True})
    assert [s.id for s in (await planned(tmp_path, book)).steps] == ["one"]
    assert [s.id for s in (await planned(tmp_path, book, include=("three",))).steps] == ["one", "three"]


async def test_a_step_takes_as_long_as_the_runbook_lets_it(tmp_path: Any) -> None:
    assert (await planned(tmp_path, a_book(one=DEPLOY))).steps[0].preview.timeout_s == 120
    assert (await planned(tmp_path, a_book(one={**DEPLOY, "timeout": "5m"}))).steps[0].preview.timeout_s == 300


async def test_a_step_done_by_hand_shows_the_same_calls(tmp_path: Any) -> None:
    own = await planned(tmp_path, a_book(one=DEPLOY))
    by_hand = await planned(tmp_path, a_book(one=DEPLOY), manual=("one",))
    first, second = own.steps[0], by_hand.steps[0]
    assert (first.manual, second.manual) == (False, True)
    assert first.preview.calls == second.preview.calls


async def test_a_persons_step_has_its_lines_filled_in(tmp_path: Any) -> None:
    manual = {"do": "Switch to ${target.version}", "commands": ["switch ${target.commit}"], "risk": "destructive"}
    plan = await planned(tmp_path, a_book(one={"title": "Switch", "manual": manual, "timeout": "5m"}))
    (step,) = plan.steps
    (call,) = step.preview.calls
    assert call == ManualCall(text="Switch to v2", commands=(f"switch {RELEASES['v2'].commit}",))
    assert (step.manual, step.risk, step.platform, step.preview.timeout_s) == (True, "destructive", "", 300)
    assert step.preview.inverse is None


class Faulty(Deploy):
    def __init__(self, where: str) -> None:
        self.where = where

    async def facts(self, ctx: Context, args: Any) -> Facts:
        if self.where == "hangs":
            await asyncio.Event().wait()
        if self.where == "facts":
            raise ZeroDivisionError("facts")
        return await super().facts(ctx, args)

    def preview(self, config: Any, args: Any, facts: Facts) -> Any:
        return super().preview(config, args, facts) if self.where != "preview" else 1 / 0


@pytest.mark.parametrize("where", ["facts", "preview"])
async def test_a_plugins_fault_is_named_as_the_plugins(where: str, tmp_path: Any) -> None:
    with pytest.raises(PluginBroken, match=r"world.deploy failed\. ZeroDivisionError"):
        await planned(tmp_path, a_book(one=DEPLOY), operation=Faulty(where))


async def test_facts_that_do_not_come_are_not_waited_for_for_ever(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.actions.platform.FACTS_TIMEOUT", 0.05)
    with pytest.raises(TimedOut, match=r"world.deploy did not answer"):
        await planned(tmp_path, a_book(one=DEPLOY), operation=Faulty("hangs"))


@pytest.mark.parametrize(
    ("kind", "purpose"), [("rollback", "rollback"), ("database", "rollback"), ("stop-writes", "stop-writes")]
)
async def test_a_procedures_kind_is_its_plans_purpose(kind: str, purpose: str, tmp_path: Any) -> None:
    assert (await planned(tmp_path, a_book(kind=kind, one=DEPLOY))).purpose == purpose


async def test_stopping_writes_goes_to_no_release_unless_a_step_names_it(tmp_path: Any) -> None:
    bare = {**DEPLOY, "with": {"release": "v1"}}
    for kind in ("stop-writes", "resume-writes"):
        assert (await planned(tmp_path, a_book(kind=kind, one=bare))).target is None
        assert (await planned(tmp_path, a_book(kind=kind, one=DEPLOY))).target is not None
    assert (await planned(tmp_path, a_book(one=bare))).target is not None


async def test_the_same_reason_of_several_steps_is_told_once(tmp_path: Any) -> None:
    steps: dict[str, Any] = {name: {**DEPLOY, "title": name.upper(), "why": "because"} for name in ("a", "b")}
    assert (await planned(tmp_path, a_book(**steps))).notes == ("A and B: because",)


async def test_the_estimate_is_the_steps_own_or_the_middle_of_the_runbooks(tmp_path: Any) -> None:
    expected = [{"least": "2m", "most": "4m"}]
    assert (await planned(tmp_path, a_book(one=DEPLOY, expected=expected))).expected_s == 180
    assert (await planned(tmp_path, a_book(one=DEPLOY))).expected_s == 0


async def test_the_same_plan_has_the_same_hash_and_another_target_another(tmp_path: Any) -> None:
    book = a_book(one=DEPLOY)
    one, two = await planned(tmp_path, book), await planned(tmp_path, book)
    assert one.id != two.id
    assert one.hash == two.hash
    assert (await planned(tmp_path, book, target="v1")).hash != one.hash
    (tmp_path / "world" / "id").write_text("another")
    assert (await planned(tmp_path, book)).hash != one.hash, "a pinned fact is part of what is approved"


PINNED = a_preview(pinned={"world.running": "v3"}, destroys=("dump",))


def undo_of(*captured: tuple[str, tuple[Call, ...]]) -> Plan:
    situation = Situation("INC-0001", a_book(one=DEPLOY), None, None, {})
    return undo_plan(situation, [(a_step(name, preview=PINNED), calls) for name, calls in captured], "Undo it")


def test_an_undo_runs_the_captured_inverses_newest_first_and_pins_nothing() -> None:
    plan = undo_of(("one", (a_call("undo", "one"),)), ("two", (a_call("undo", "two"),)))
    assert [(s.id, s.undoes, s.preview.calls) for s in plan.steps] == [
        ("undo-two", True, (a_call("undo", "two"),)),
        ("undo-one", True, (a_call("undo", "one"),)),
    ]
    assert plan.purpose == "undo"
    assert all(s.preview.inverse is None and s.preview.pinned == {} for s in plan.steps)
    assert all(s.preview.destroys == () for s in plan.steps), "what it took away is gone already"


def test_nothing_to_undo_is_said() -> None:
    with pytest.raises(BadInput, match="nothing to undo"):
        undo_of()


NAMES: Mapping[str, str | None] = {"target.version": "v2", "incident": "INC-0001", "target.digest": None}


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("${target.version}", "v2"),
        ("a ${target.version} of ${incident}", "a v2 of INC-0001"),
        (["${incident}", {"x": "${target.version}"}, 3, None, True], ["INC-0001", {"x": "v2"}, 3, None, True]),
        ("$target.version $ {x} $${", "$target.version $ {x} $${"),
    ],
)
def test_placeholders_anywhere_are_filled_in(value: JsonValue, filled: JsonValue) -> None:
    assert fill(value, NAMES) == filled


def test_a_value_is_never_read_for_placeholders_again() -> None:
    assert fill("${a}", {"a": "${b}", "b": "x"}) == "${b}"


@pytest.mark.parametrize("value", ["${target.digest}", {"x": ["${target.digest}"]}])
def test_a_name_without_a_value_is_an_error(value: JsonValue) -> None:
    with pytest.raises(BadInput, match=r"target.digest is not known"):
        fill(value, NAMES)


REF = Ref(step="one", output="id")


@pytest.mark.parametrize(
    ("call", "bound"),
    [
        (ProcessCall(argv=("x", REF)), ProcessCall(argv=("x", "7"))),
        (
            ProcessCall(argv=("x",), env={"A": REF, "B": Secret(secret="env:S")}, stdin=REF),
            ProcessCall(argv=("x",), env={"A": "7", "B": Secret(secret="env:S")}, stdin="7"),
        ),
        (
            HttpCall(
                method="POST",
                url=Ref(step="one", output="url"),
                headers={"A": REF},
                body={"id": REF, "n": [1, {"kind": "ref"}]},
            ),
            HttpCall(method="POST", url="http://x/7", headers={"A": "7"}, body={"id": "7", "n": [1, {"kind": "ref"}]}),
        ),
        (ManualCall(text="x"), ManualCall(text="x")),
    ],
    ids=["argv", "env", "http", "manual"],
)
def test_every_ref_is_bound_to_its_output(call: Call, bound: Call) -> None:
    assert bind(call, {"one": {"id": "7", "url": "http://x/7"}, "two": {"id": "8"}}) == bound


@pytest.mark.parametrize("given", ["7", "file:///etc/passwd", "http://x/ y", ""])
def test_an_output_that_does_not_fit_is_an_error(given: str) -> None:
    with pytest.raises(BadInput, match=r"does not fit: .*url"):
        bind(HttpCall(method="POST", url=Ref(step="one", output="url")), {"one": {"url": given}})


def test_an_output_never_becomes_an_option() -> None:
    with pytest.raises(BadInput, match="id of step one begins with '-'"):
        bind(ProcessCall(argv=("x", REF)), {"one": {"id": "--detach"}})


def test_an_output_is_one_word_of_a_command_whatever_it_holds() -> None:
    bound = bind(ProcessCall(argv=("x", REF)), {"one": {"id": "; rm -rf / ${target.version}"}})
    assert isinstance(bound, ProcessCall)
    assert bound.argv == ("x", "; rm -rf / ${target.version}")


@pytest.mark.parametrize("outputs", [{}, {"one": {}}, {"two": {"id": "8"}}, {"one": {"other": "9"}}])
def test_an_output_that_is_not_there_is_an_error(outputs: Mapping[str, Mapping[str, str]]) -> None:
    with pytest.raises(WarroomError, match="step one gave no id"):
        bind(ProcessCall(argv=("x", REF)), outputs)


@pytest.mark.parametrize(
    ("stopped", "include", "steps"),
    [
        ("", (), ["one"]),
        ("", ("start",), ["one"]),
        ("", ("stop",), ["stop", "one", "start"]),
        ("Writes are stopped", (), ["one", "start"]),
    ],
)
async def test_what_starts_again_comes_along_where_writes_are_stopped(
    tmp_path: Any, stopped: str, include: tuple[str, ...], steps: list[str]
) -> None:
    """By this plan, or before it."""
    stop = {**DEPLOY, "role": "stop-writes", "if_needed": True}
    book = a_book(stop=stop, one=DEPLOY, start={**DEPLOY, "after_stop": True})
    situation = Situation("INC-0001", book, RELEASES["v3"], RELEASES["v2"], {"world": "world 1"}, stopped=stopped)
    plan = await make_plan(situation, "swap", platforms(tmp_path), include=include)
    assert [step.id for step in plan.steps] == steps


BY_HAND = {"title": "Stop it", "manual": {"do": "Stop it."}, "role": "stop-writes"}


async def test_what_stops_the_application_once_it_is_up_again_is_asked_for(tmp_path: Any) -> None:
    book = a_book(one=DEPLOY, stop=BY_HAND)
    halt = Situation("I", book, RELEASES["v3"], RELEASES["v2"], {}, stopped="Writes are stopped")
    plan = await make_plan(halt, "swap", platforms(tmp_path))
    assert ([step.id for step in plan.steps], plan.notes) == (["one", "stop"], ())


@pytest.mark.parametrize(
    ("stop", "kind", "include", "steps", "said"),
    [
        (BY_HAND, "rollback", (), ["one", "start"], "“Stop it” is left out"),
        (BY_HAND, "rollback", ("stop",), ["stop", "one", "start"], "“Stop it” makes sure that they are"),
        ({**DEPLOY, "role": "stop-writes"}, "rollback", (), ["stop", "one", "start"], "“Deploy” makes sure that they"),
        ({**BY_HAND, "if_needed": True}, "rollback", (), ["one", "start"], "“Stop it” is left out"),
        (BY_HAND, "stop-writes", (), ["stop", "one", "start"], ""),
    ],
)
async def test_nobody_is_asked_to_stop_writes_that_stand_stopped(
    tmp_path: Any, stop: dict[str, Any], kind: str, include: tuple[str, ...], steps: list[str], said: str
) -> None:
    book = a_book(kind=kind, stop=stop, one=DEPLOY, start={**DEPLOY, "after_stop": True})
    now = Situation("INC-0001", book, RELEASES["v3"], RELEASES["v2"], {"world": "world 1"})
    plan = await make_plan(now, "swap", platforms(tmp_path), include=include)
    assert plan.notes == ()
    halt = dataclasses.replace(now, stopped="Writes are stopped since 14:02 UTC")
    plan = await make_plan(halt, "swap", platforms(tmp_path), include=include)
    assert [step.id for step in plan.steps] == steps
    assert [note.partition(": ")[0] for note in plan.notes] == (["Writes are stopped since 14:02 UTC"] if said else [])
    assert said in "".join(plan.notes)


@pytest.mark.parametrize(("still", "steps"), [("recorded", ["one", "start"]), ("elsewhere", ["one"])])
async def test_what_warroom_stopped_starts_again_though_this_incident_does_not_know_of_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, still: str, steps: list[str]
) -> None:
    """The platform does: only what is recorded there can be started, and only in the plan that needs it."""
    looked = Deploy.facts

    async def facts(self: Deploy, ctx: Any, args: Any) -> dict[str, Any]:
        return {**await looked(self, ctx, args), "stopped": still}

    monkeypatch.setattr(Deploy, "facts", facts)
    book = a_book(one=DEPLOY, start={**DEPLOY, "after_stop": True})
    situation = Situation("INC-0001", book, RELEASES["v3"], RELEASES["v2"], {"world": "world 1"})
    plan = await make_plan(situation, "swap", platforms(tmp_path))
    assert [step.id for step in plan.steps] == steps


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("/backups/ai_saas-2026-11-23T02:00.dump.gz", True),
        ("ai_saas~before~20261123T020000~ab12cd34", True),
        ("~root/x", False),
        ("/backups/~root", False),
        ("--force", False),
        ("a b", False),
        ("$(id)", False),
        ("a;id", False),
        ("a\nid", False),
        ("ä", False),
    ],
)
def test_what_a_person_chose_is_no_command_in_a_line_to_paste(value: str, fits: bool) -> None:
    names = {"choice.backup": value}
    if fits:
        assert fill_commands(["ls ${choice.backup}"], names) == (f"ls {value}",)
    else:
        with pytest.raises(BadInput, match="can't stand in a command line"):
            fill_commands(["ls '${choice.backup}'"], names)
