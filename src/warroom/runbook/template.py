"""What a message template may contain: text, variables, tests and a few filters. Never a loop, a call or an attribute.

Only what is listed here is let through, so a template can't reach the program, and its time and size are bounded by its
own length: nothing in it repeats, doubles or pads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST = 8000
"""Characters of a template."""
MOST_EXPRESSIONS = 200

VARIABLES: dict[str, str] = {
    "time_utc": "the time now, as 14:05 UTC",
    "reason": "why the rollback was decided, else the trigger that fires",
    "impact": "what users notice, as noted by a person, else as the runbook says of the trigger",
    "eta": "when the rollback is expected to be done",
    "status_page": "the status page's address; empty where there is none",
    "duration": "how long the service has been, or was, down, counted from detection",
    "version": "the version rolled back to",
    "from_version": "the version rolled back from",
    "service": "the service's name",
    "environment": "the environment's name",
    "incident": "the incident's id",
    "title": "the incident's title",
    "severity": "critical or warning",
}
"""The names a template may use, and what each of them holds. All are text; what is not known says so."""

FILTERS = ("capitalize", "default", "lower", "title", "trim", "upper")
_NODES = frozenset(
    {"Template", "Output", "TemplateData", "Name", "Const", "If", "CondExpr", "Compare", "Operand", "Not"}
)
_NODES |= {"And", "Or", "Concat", "Filter"}
_SAYS = {
    "For": "a loop",
    "Assign": "set",
    "AssignBlock": "set",
    "Call": "a call",
    "Getattr": "an attribute",
    "Getitem": "an index",
    "Macro": "a macro",
    "CallBlock": "a call",
    "FilterBlock": "a filter block",
    "Include": "include",
    "Import": "import",
    "FromImport": "import",
    "Extends": "extends",
    "Block": "a block",
    "Test": "a test with is",
}


@dataclass(frozen=True)
class TemplateProblem:
    """``line`` counts from 1 within the template's text."""

    line: int
    found: str
    expected: str


def check_template(text: str) -> TemplateProblem | None:
    """What is wrong with a template, or None. Never raises, and takes no longer for a hostile one."""
    if len(text) > LONGEST:
        return TemplateProblem(1, f"a template of {len(text):,} characters", f"at most {LONGEST:,}")
    made = _compiled(text)
    return made if isinstance(made, TemplateProblem) else None


def compiled(text: str) -> Template | TemplateProblem:
    """The template, ready to be filled in, or what is wrong with it."""
    return check_template(text) or _compiled(text)


def _compiled(text: str) -> Template | TemplateProblem:
    from jinja2 import TemplateError, TemplateSyntaxError

    environment = _environment()
    try:
        tree = environment.parse(text)
        problem = next(_problems(tree), None)
        return problem or environment.from_string(text)
    except TemplateSyntaxError as error:
        return TemplateProblem(error.lineno or 1, error.message or "a mistake", "a template such as {{ reason }}")
    except TemplateError as error:
        return TemplateProblem(1, error.message or "a mistake", "a template such as {{ reason }}")
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        return TemplateProblem(1, "a template that is nested too deeply to be read", "a simpler one")


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, cache_size=0
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {}
    return environment


def _problems(tree: Any) -> Iterator[TemplateProblem]:
    from jinja2 import nodes

    waiting: list[Any] = [tree]
    expressions = 0
    while waiting:
        node = waiting.pop(0)
        kind = type(node).__name__
        line = int(getattr(node, "lineno", 1) or 1)
        if kind not in _NODES:
            what = _SAYS.get(kind, kind.lower())
            yield TemplateProblem(line, f"{what} in a template", "text, variables, if, and " + ", ".join(FILTERS))
        if isinstance(node, nodes.Name) and node.name not in VARIABLES:
            yield TemplateProblem(line, f"the unknown variable {node.name!r}", "one of " + ", ".join(VARIABLES))
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield TemplateProblem(line, f"the filter {node.name!r}", "one of " + ", ".join(FILTERS))
        expressions += not isinstance(node, nodes.TemplateData)
        if expressions > MOST_EXPRESSIONS * 2:
            yield TemplateProblem(line, "a template with very many expressions", f"at most some {MOST_EXPRESSIONS}")
        waiting.extend(node.iter_child_nodes())
