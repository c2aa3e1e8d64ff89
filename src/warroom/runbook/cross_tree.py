"""The decision tree: every answer leads somewhere, no question comes back to itself, and every leaf can be reached."""

from __future__ import annotations

from warroom.model.runbook import Question, Tree
from warroom.runbook.cross import Cross
from warroom.runbook.problems import meant, one_of, quoted

ANSWERS = {
    "firing": ("yes", "no"),
    "severity": ("critical", "warning"),
    "trend": ("yes", "no"),
    "timer": ("waiting", "over"),
}
"""What each source of answers can answer. A timer's question may have others, for a person to give."""


def check_tree(cross: Cross) -> None:
    tree = cross.runbook.tree
    nodes = (*tree.questions, *tree.leaves)
    for name in tree.leaves:
        if name in tree.questions:
            at = cross.key("tree", "leaves", name)
            cross.wrong(at, f"the leaf {quoted(name)}", "a name that no question has")
    if tree.root not in nodes:
        at = cross.value("tree", "root")
        cross.wrong(
            at, f"the unknown root {quoted(tree.root)}", one_of(tree.questions), meant(tree.root, tree.questions)
        )
    for question_id, question in tree.questions.items():
        _question(cross, question_id, question, nodes)
    _cycles(cross, tree)
    _reach(cross, tree)


def _question(cross: Cross, question_id: str, question: Question, nodes: tuple[str, ...]) -> None:
    path = ("tree", "questions", question_id)
    for answer, target in question.answers.items():
        if target not in nodes:
            at = cross.value(*path, "answers", answer)
            cross.wrong(at, f"the unknown target {quoted(target)}", one_of(nodes), meant(target, nodes))
        if not answer or any(c.isspace() for c in answer):
            at = cross.key(*path, "answers", answer)
            cross.wrong(at, f"the answer {quoted(answer)}", "one word")
    source = question.from_
    if source is None:
        return
    if source.by == "trend":
        cross.name("signal", source.signal, "signals", *path, "from", "signal")
    wanted = ANSWERS[source.by]
    for answer in question.answers:
        if answer not in wanted and source.by != "timer":
            at = cross.key(*path, "answers", answer)
            cross.wrong(at, f"the answer {quoted(answer)}", f"{' and '.join(wanted)}, which by: {source.by} gives")
    for answer in wanted:
        if answer not in question.answers:
            at = cross.key(*path, "answers")
            cross.wrong(at, f"no answer {quoted(answer)}", f"one, which by: {source.by} gives")


def _cycles(cross: Cross, tree: Tree) -> None:
    """Tells each answer that leads back to a question it came from."""
    done: set[str] = set()
    for start in tree.questions:
        if start in done:
            continue
        # The way from ``start``, each question with the answers not yet followed. No recursion: a file may be deep.
        way = {start: iter(tree.questions[start].answers.items())}
        while way:
            name = next(reversed(way))
            following = next(way[name], None)
            if following is None:
                del way[name]
                done.add(name)
                continue
            answer, target = following
            if target in way:
                passed = list(way)
                circle = " → ".join((*passed[passed.index(target) :], target))
                at = cross.value("tree", "questions", name, "answers", answer)
                cross.wrong(at, f"a circle: {circle[:200]}", "an answer that leads on")
            elif target in tree.questions and target not in done:
                way[target] = iter(tree.questions[target].answers.items())


def _reach(cross: Cross, tree: Tree) -> None:
    """Tells every question and leaf to which no answer leads."""
    reached: set[str] = set()
    ahead = [tree.root]
    while ahead:
        name = ahead.pop()
        if name in reached:
            continue
        reached.add(name)
        if name in tree.questions:
            ahead += tree.questions[name].answers.values()
    if tree.root not in tree.questions and tree.root not in tree.leaves:
        return
    for kind, names in (("questions", tree.questions), ("leaves", tree.leaves)):
        for name in names:
            if name not in reached:
                at = cross.key("tree", kind, name)
                cross.wrong(at, f"{quoted(name)}, which no answer leads to", "an answer that leads here")
    if not reached & set(tree.leaves):
        cross.wrong(cross.key("tree", "root"), "a tree that ends nowhere", "an answer that leads to a leaf")
