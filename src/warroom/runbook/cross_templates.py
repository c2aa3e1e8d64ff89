"""Messages' templates: that they can be read, and use only names that will be there."""

from __future__ import annotations

from warroom.runbook.cross import Cross
from warroom.runbook.nodes import Scalar, lookup
from warroom.runbook.problems import Pos, plain
from warroom.runbook.template import check_template

MESSAGES = {"started": "that a rollback began", "completed": "that a rollback is over"}
"""The templates whose messages prove a checklist line when they are sent."""


def check_templates(cross: Cross) -> None:
    for name, says in MESSAGES.items():
        if name not in cross.known("templates"):
            cross.wrong(cross.key("templates"), f'no "{name}" in templates', f"one: no other message says {says}")
    for template_id, template in cross.runbook.templates.items():
        pos, node = lookup(cross.root, ("templates", template_id, "text"))
        if pos.file == cross.default_file:  # a test holds the default's own
            continue
        problem = check_template(template.text)
        if problem is not None:
            # In a block the text begins on the line below its sign; elsewhere its lines can't be told apart any more.
            block = isinstance(node, Scalar) and node.block
            at = Pos(node.pos.file, node.pos.line + problem.line, 1) if block else node.pos
            cross.wrong(at, plain(problem.found)[:160], plain(problem.expected)[:240])
