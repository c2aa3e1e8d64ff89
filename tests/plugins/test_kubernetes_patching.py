"""Patches that change an object only while it is what was seen, with no secret in them, and back again."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from tests.kube.patches import PatchError, json_patch
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.patching import Carries, annotated, noted, noted_json, pointer, put, replaced, value_at
from warroom_kubernetes.reach.gojson import go_json

SECRET = "s3cret"
AT = "/spec/template"


def hidden(value: JsonValue) -> bool:
    """As the redactor: known values, wherever they stand."""
    return SECRET in json.dumps(value)


def nothing(value: JsonValue) -> bool:
    return False


def whole(template: Any) -> dict[str, Any]:
    return {"spec": {"template": template}}


ENV = st.fixed_dictionaries({"name": st.sampled_from("ABCD"), "value": st.sampled_from(["x", "y"])})
TEMPLATE = st.fixed_dictionaries(
    {
        "env": st.lists(ENV, max_size=4, unique_by=lambda one: str(one["name"])),
        "args": st.lists(st.sampled_from(["a && b", "ü", "-c"]), max_size=3),
        "labels": st.dictionaries(st.sampled_from(["a/b", "c~d", "e"]), st.sampled_from(["1", "2"]), max_size=3),
    }
)


@given(TEMPLATE, TEMPLATE, st.booleans())
def test_a_patch_leads_from_one_template_to_the_other_and_tests_it(old: Any, new: Any, secret: bool) -> None:
    for one in (old, new):
        one["env"] = [*one["env"][:1], {"name": "KEY", "value": SECRET}, *one["env"][1:]] if secret else one["env"]
    ops = replaced(AT, old, new, hidden)
    assert SECRET not in json.dumps(ops)
    assert json_patch(whole(old), list(ops)) == whole(new)
    back = replaced(AT, new, old, hidden)
    assert json_patch(whole(new), list(back)) == whole(old)


def test_without_a_secret_the_whole_template_is_held_against() -> None:
    ops = replaced(AT, {"a": [1]}, {"a": [2]}, nothing)
    assert ops == [{"op": "test", "path": AT, "value": {"a": [1]}}, {"op": "replace", "path": AT, "value": {"a": [2]}}]
    with pytest.raises(PatchError):
        json_patch(whole({"a": [1], "b": None}), list(ops))


def test_beside_a_secret_everything_else_is_held_against() -> None:
    env: list[Any] = [{"name": "KEY", "value": SECRET}, {"name": "LEVEL", "value": "info"}]
    ops = replaced(AT, {"env": env, "image": "a"}, {"env": env, "image": "b"}, hidden)
    moved = [env[0], {"name": "LEVEL", "value": "debug"}]
    with pytest.raises(PatchError):
        json_patch(whole({"env": moved, "image": "a"}), list(ops))


@pytest.mark.parametrize(
    "old",
    [[], [{"name": "KEY", "value": "other"}], [{"name": "KEY", "valueFrom": {"x": 1}}]],
    ids=["new", "changed", "was a reference"],
)
def test_a_secret_that_would_have_to_be_carried_is_named_by_its_place_alone(old: list[Any]) -> None:
    with pytest.raises(Carries) as refused:
        replaced(AT, {"env": old}, {"env": [{"name": "KEY", "value": SECRET}]}, hidden)
    assert refused.value.path.startswith("/spec/template/env")
    assert SECRET not in str(refused.value)


def test_a_secret_may_be_left_behind() -> None:
    old: dict[str, Any] = {"env": [{"name": "KEY", "value": SECRET}]}
    new: dict[str, Any] = {"env": [{"name": "KEY", "valueFrom": {"x": 1}}]}
    assert json_patch(whole(old), list(replaced(AT, old, new, hidden))) == whole(new)


def test_annotations_are_left_as_kubectl_leaves_them() -> None:
    skipped = {"deployment.kubernetes.io/revision": "4", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    now = {**skipped, "mine": "1", "cause": "new", "warroom/replicas": "3"}
    wanted = {"cause": "old", "more": "2", "deployment.kubernetes.io/revision": "2", "warroom/replicas": "9"}
    made = json_patch({"metadata": {"annotations": now}}, list(annotated(now, wanted)))
    assert made["metadata"]["annotations"] == {**skipped, "cause": "old", "more": "2", "warroom/replicas": "3"}
    assert json_patch({"metadata": {}}, list(annotated(None, wanted)))["metadata"]["annotations"] == {
        "cause": "old",
        "more": "2",
    }


def test_one_annotation_is_put_and_taken_away() -> None:
    bare: dict[str, Any] = {"metadata": {"name": "web"}}
    made = json_patch(bare, list(noted(bare, "warroom/replicas", "3")))
    assert value_at(made, pointer("metadata", "annotations", "warroom/replicas")) == "3"
    assert json_patch(made, list(noted(made, "warroom/replicas", None)))["metadata"]["annotations"] == {}
    assert noted(bare, "warroom/replicas", None) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
        max_leaves=8,
    )
)
def test_json_is_written_as_go_writes_it_and_means_the_same(value: Any) -> None:
    raw = go_json(value)
    assert json.loads(raw) == value
    assert not set(raw) & set(b"<>&")


def test_signs_that_go_escapes_and_those_that_it_does_not() -> None:
    assert go_json("a && <ü> \u2028") == '"a \\u0026\\u0026 \\u003cü\\u003e \\u2028"'.encode()


@given(st.text(max_size=30))
@example("\x00\x1b[2J\x07\x7f\x85\u2028\u202e\ufeff\r\n\t")
@example('\N{GRINNING FACE}\x1b\U000e0041 it\'s "q" $(id) `id` \\ ; | & <b>')
def test_kubectl_reads_out_of_the_line_what_is_sent(value: str) -> None:
    """It takes a patch for YAML, whatever stands in it."""
    web = calls.At(("kubectl",), "shop", "deployment", "web", "/apis/apps/v1/namespaces/shop/deployments/web", "u")
    ops = [put("/metadata/annotations/note", value), put("/spec", {value: [value]})]
    line = calls.patch_line(web, ops)
    *_, told = shlex.split(line)
    assert yaml.safe_load(told) == ops
    assert line.isprintable()


def test_an_annotation_with_a_secret_stays_and_stands_in_no_patch() -> None:
    """Or a change cause that names its command, with a password in it, would keep everybody from going back."""
    now = {"kubernetes.io/change-cause": f"deploy --password={SECRET}", "owner": "shop"}
    wanted = {"kubernetes.io/change-cause": "first", "token": SECRET}
    ops = annotated(now, {"token": SECRET}, hidden)
    assert [one["path"] for one in ops] == ["/metadata/annotations/owner"] * 2
    assert SECRET not in json.dumps([*ops, *annotated(now, wanted, hidden), *annotated(None, wanted, hidden)])


def test_what_somebody_has_noted_meanwhile_is_not_written_over() -> None:
    ops = noted({"metadata": {"name": "web"}}, "ours", "1")
    assert json_patch({"metadata": {"name": "web"}}, ops)["metadata"]["annotations"] == {"ours": "1"}
    with pytest.raises(PatchError):
        json_patch({"metadata": {"name": "web", "annotations": {"theirs": "2"}}}, ops)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "[" * 900 + "]" * 900, "NaN", '{"a": 1e400}', '"' + "x" * 20_000 + '"']
)
def test_what_warroom_has_not_noted_is_refused(text: str) -> None:
    """Whoever may change an object writes its annotations."""
    with pytest.raises(ValueError, match=r".*"):
        noted_json(text)
    assert noted_json('{"scaleUp": null}') == {"scaleUp": None}
