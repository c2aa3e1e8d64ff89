"""What only a person can choose before a plan can be made: which backup, which restored database.

A procedure declares its choices, a plugin's chooser says what there is to choose from, and the plan holds what was
chosen. Import the query and its page from ``warroom.model.live``, which has every one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from warroom.model.base import Fact, Id, Instant

OptionVerdict = Literal["good", "doubtful", "refused"]
LOOKS_S = 10.0
"""How long it may take to tell what there is, in seconds."""
LONGEST_VALUE = 4096
"""Characters of a value: as long as a path may be. Of a title and of words, more than these is cut off: nobody reads
it, and a list of it would not fit on the wire."""
LONGEST_TITLE = 1000
LONGEST_WORDS = 4000
LONGEST_CALLED = 8


def _cut(most: int) -> BeforeValidator:
    return BeforeValidator(lambda text: text[:most] if isinstance(text, str) else text)


class Option(Fact):
    """One thing that may be chosen. ``value`` is what a step's arguments get, ``title`` what people know it by.

    ``words`` say why it is as good as it is; a ``doubtful`` or ``refused`` one without them says nothing. A refused one
    is listed, so that nobody looks for it in vain, and can't be chosen. ``at``: when it was made; ``bytes``: its size.
    ``called`` stands in the list in place of the verdict, where that alone would not say what is doubtful about it.
    """

    value: str = Field(min_length=1, max_length=LONGEST_VALUE)
    title: Annotated[str, _cut(LONGEST_TITLE), Field(min_length=1)]
    words: Annotated[str, _cut(LONGEST_WORDS)] = ""
    verdict: OptionVerdict = "good"
    called: Annotated[str, _cut(LONGEST_CALLED)] = ""
    at: Instant | None = None
    bytes: int | None = Field(default=None, ge=0)


class Chosen(Fact):
    """What a plan was made with: ``choice`` is the runbook's name of it, ``title`` what was asked for.

    ``words`` are the option's own title, for people; ``doubt`` is why it is doubtful, empty where it is not, and
    ``called`` what that kind of doubt is called.
    """

    choice: Id
    title: str
    value: str
    words: str
    doubt: str = ""
    called: str = "doubtful"


class ChoicesQuery(Fact):
    """What there is to choose from, looked for now. Each ask looks anew."""

    ask: Literal["choices"] = "choices"
    procedure: str


class ChoiceList(Fact):
    """Best first. ``problem``: why it can't be told what there is; that ``options`` is empty says nothing then.

    ``more`` counts those that are not listed.
    """

    choice: Id
    title: str
    options: tuple[Option, ...] = ()
    problem: str = ""
    more: int = 0


class ChoicesPage(Fact):
    """One list for each choice of the procedure, in its order; none where it needs none."""

    kind: Literal["choices-page"] = "choices-page"
    procedure: str
    choices: tuple[ChoiceList, ...] = ()
