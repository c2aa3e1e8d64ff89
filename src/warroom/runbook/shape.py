"""Keys and types: a tree of nodes against the runbook's models, every mistake told at its place."""

from __future__ import annotations

import json
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from warroom.model.runbook import Runbook
from warroom.runbook.merge import KEYED
from warroom.runbook.nodes import Bad, Map, Node, Scalar, as_json, described, lookup
from warroom.runbook.problems import Problem, meant, one_of, plain

Path = tuple[str | int, ...]
MOST_ROUNDS = 4
MOST_TOLD = 2_000


class Shaped(NamedTuple):
    """``runbook`` (or None) is what is left without the entries that have mistakes, for the checks that come after."""

    runbook: Runbook | None
    problems: list[Problem]
    root: Map


def shape(root: Map, fallback: Map) -> Shaped:
    """Checks the whole tree. ``fallback`` (the default runbook) stands in for top sections with mistakes in them."""
    problems: list[Problem] = []
    for _ in range(MOST_ROUNDS):
        try:
            # Strict, and from JSON: a list may become a tuple, but "5" never a number.
            return Shaped(Runbook.model_validate_json(json.dumps(as_json(root)), strict=True), problems, root)
        except ValidationError as error:
            problems += explain(Runbook, root, error, ())
            root = _without_mistakes(root, error, fallback)
    return Shaped(None, problems, root)


def explain(
    model: type[BaseModel],
    root: Node,
    error: ValidationError,
    prefix: Path,
    *,
    secret: bool = False,
    later: Collection[str] = (),
) -> list[Problem]:
    """A validation error of ``model`` as problems. ``prefix`` is where in the tree the model's values begin.

    ``secret``: values are described, never shown. ``later`` are keys whose values are given only later: what is said of
    what stands there until then, or of all values together, is left out.
    """
    errors = error.errors(include_url=False, include_input=False)
    if later:
        errors = [each for each in errors if each["loc"] and each["loc"][0] not in later]
    found = [_one(model, root, dict(each), prefix, secret) for each in errors[:MOST_TOLD]]
    told = [problem for problem in found if problem is not None]
    if len(errors) > MOST_TOLD:
        told.append(Problem(root.pos, f"{len(errors):,} mistakes", f"fewer: the first {MOST_TOLD:,} are told"))
    return told


def _one(model: type[BaseModel], root: Node, error: dict[str, Any], prefix: Path, secret: bool) -> Problem | None:
    kind, loc, context = str(error["type"]), tuple(error["loc"]), error.get("ctx") or {}
    is_key = bool(loc) and loc[-1] == "[key]"
    loc = loc[:-1] if is_key else loc
    key_pos, node = lookup(root, prefix + loc)
    if isinstance(node, Bad):
        return None
    if kind == "missing":
        above, _ = lookup(root, prefix + loc[:-1])
        group = f" in {plain(str((prefix + loc)[-2]))}" if len(prefix + loc) > 1 else ""
        return Problem(above, f'no "{plain(str(loc[-1]))}"{group}', "one")
    if kind == "union_tag_not_found":
        return Problem(node.pos, f"no {_discriminator(context)}", "one: it says of which kind this is")
    if kind == "extra_forbidden":
        known = sorted(_fields(model, loc[:-1]))
        name = str(loc[-1])
        return Problem(key_pos, f'the unknown key "{plain(name)[:60]}"', one_of(known), meant(name, known))
    if is_key:
        return Problem(key_pos, f'the name "{plain(str(loc[-1]))[:60]}"', _NAME)
    if kind == "union_tag_invalid":
        _, node = lookup(root, (*prefix, *loc, _discriminator(context)))
    pos = node.pos if loc else key_pos
    expected, hint = _expected(kind, context, str(error["msg"]), node)
    return Problem(pos, _type_only(node) if secret else described(node), expected, hint)


_NAME = "lower-case letters, digits and single - _ or . between them"

_WORDS = {
    "string_type": "a text",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "dataclass_type": "a group of keys",
    "tuple_type": "a list",
    "list_type": "a list",
    "finite_number": "a finite number",
    "none_required": "nothing",
}


def _expected(kind: str, context: Mapping[str, Any], message: str, node: Node) -> tuple[str, str]:
    """What was expected, and a hint."""
    text = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
    if kind in _WORDS:
        hint = ""
        if kind == "string_type" and isinstance(node, Scalar) and node.value is not None:
            hint = "put it in quotes"
        if kind.startswith("bool") and text:
            hint = "yes, no, on and off are texts"
        return _WORDS[kind], hint
    if kind in ("literal_error", "enum"):
        choices = _named(str(context.get("expected", "")).replace(" or ", ", "))
        return one_of(choices), meant(text, choices)
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context.get("pattern")), f"a text like {context.get('pattern')}"), ""
    if kind == "union_tag_invalid":
        tags = _named(str(context.get("expected_tags", "")))
        return one_of(tags), meant(text, tags)
    if kind in ("too_short", "string_too_short"):
        return "at least " + str(context.get("min_length", 1)) + _counted(node), ""
    if kind in ("too_long", "string_too_long"):
        return "at most " + str(context.get("max_length")) + _counted(node), ""
    for limit, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if limit in context:
            return f"a number of {words} {context[limit]}", ""
    cleaned = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if " was expected" in cleaned:
        return plain(cleaned.split(" was expected")[0])[:120], ""
    return plain(f"a value that fits: {cleaned[:1].lower()}{cleaned[1:]}")[:200], ""


_PATTERNS = {
    r"^[a-z][a-z0-9]*([-_.][a-z0-9]+)*$": "a name: " + _NAME,
    r"^[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*$": "platform.operation",
    r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)?$": "platform.check, or a built-in check",
}


def _discriminator(context: Mapping[str, Any]) -> str:
    return str(context.get("discriminator", "")).strip("'")


def _named(listed: str) -> list[str]:
    """``'a', 'b'``, as pydantic lists what it takes, as the names."""
    return [name.strip().strip("'") for name in listed.split(",") if name.strip()]


def _counted(node: Node) -> str:
    return " characters" if isinstance(node, Scalar) else " entries"


def _type_only(node: Node) -> str:
    words = described(node)
    return "a text" if words.startswith("the text") else "a number" if words.startswith("the number") else words


def _fields(model: type[BaseModel], loc: Path) -> Iterator[str]:
    """The keys that the model at ``loc`` takes, as a file writes them."""
    here: Any = model
    for part in loc:
        here = _below(here, part)
    for candidate in _unwrapped(here):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            yield from (info.alias or name for name, info in candidate.model_fields.items())


def _below(annotation: Any, part: str | int) -> Any:
    """The type of ``part`` within a value of this type."""
    candidates = list(_unwrapped(annotation))
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            for name, info in candidate.model_fields.items():
                if part in (name, info.alias):
                    return info.annotation
        elif get_origin(candidate) is dict:
            return get_args(candidate)[1]
        elif get_origin(candidate) in (tuple, list):
            return get_args(candidate)[0]
    tagged = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel) and _tag(c) == part]
    return tagged[0] if tagged else annotation


def _unwrapped(annotation: Any) -> Iterator[Any]:
    """The types a value of this annotation may have: no Annotated, no unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _unwrapped(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _unwrapped(member)
    else:
        yield annotation


def _tag(model: type[BaseModel]) -> str:
    for info in model.model_fields.values():
        if get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1:
            return str(get_args(info.annotation)[0])
    return ""


def _without_mistakes(root: Map, error: ValidationError, fallback: Map) -> Map:
    """The tree without the entries that hold a mistake, so that the rest can be checked further.

    An entry of a keyed section goes; any other section becomes the default's, or goes.
    """
    bad: dict[str, set[str | int]] = {}
    whole: set[str] = set()
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        loc = each["loc"]
        section = str(loc[0]) if loc else ""
        if section in KEYED and len(loc) > 1 and isinstance(root.entries[section][1], Map):
            bad.setdefault(section, set()).add(loc[1])
        else:
            whole.add(section)
    entries = dict(root.entries)
    for section, keys in bad.items():
        at, node = entries[section]
        assert isinstance(node, Map)
        entries[section] = (at, Map(node.pos, {k: v for k, v in node.entries.items() if k not in keys}))
    for section in whole:
        stand_in = fallback.entries.get(section)
        if stand_in is not None and stand_in != entries.get(section):
            entries[section] = stand_in
        else:
            entries.pop(section, None)
    return Map(root.pos, entries)
