"""Which revision is gone back to, and why not where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from warroom.api import BadInput
from warroom_kubernetes.objects.revisions import Revision, find
from warroom_kubernetes.operations.args import UndoArgs
from warroom_kubernetes.operations.subject import Found

LIMIT = 10
"""``revisionHistoryLimit`` where none is given."""


def chosen(one: Found, revisions: Sequence[Revision], args: UndoArgs) -> Revision:
    """Raises BadInput where it is not there any more, never was, or could be several."""
    if one.kind == "CronJob":
        raise BadInput(
            f"{one.title} keeps no revisions",
            "a CronJob has only the template that it has now",
            "apply the manifest of the earlier release, or suspend it",
        )
    earlier = [each for each in revisions if not each.current]
    words = [word for word in (args.to, args.digest, args.version) if word]
    if not words:
        if not earlier:
            raise BadInput(f"{one.title} has no revision before this one", *_why_none(one, revisions))
        return earlier[0]
    missed: BadInput | None = None
    for word in words:
        try:
            return find(revisions, word)
        except BadInput as error:
            missed = missed or error
    assert missed is not None
    if earlier:
        named = args.version or args.to or args.digest
        title = missed.title.replace("There is no revision", f"{one.title} has no revision")
        raise BadInput(title.replace(repr(words[0][:100]), repr(named[:100])), missed.cause, missed.hint)
    why, hint = _why_none(one, revisions)
    raise BadInput(missed.title, f"{missed.cause}; {why}", hint)


def _why_none(one: Found, revisions: Sequence[Revision]) -> tuple[str, str]:
    limit = one.spec.get("revisionHistoryLimit", LIMIT)
    image = revisions[0].images[0].reference if revisions and revisions[0].images else ""
    container = revisions[0].images[0].container if image else "CONTAINER"
    hint = f"set the image by hand: {one.at.line('set', 'image', one.at.slashed, f'{container}=IMAGE@sha256:DIGEST')}"
    if limit == 0:
        return "it keeps none: its revisionHistoryLimit is 0", f"{hint}; and give it a limit above 0 for the next time"
    if len(revisions) <= 1:
        return "it was never rolled out with another template, or somebody deleted what there was of it", hint
    return "none of those that are kept is another one", hint
