"""Every error a person may see has a title, a cause and a hint.

WarroomError
├── BadInput           what was read is wrong: what was found, what was expected, where
├── ProgramMissing     a program that is needed is not on this host        (process)
├── ProgramFailed      a program ended with a status that was not expected (process)
├── TimedOut           something took longer than it was allowed to
├── JournalDamaged     the journal's bytes, chain or head do not agree     (journal)
├── JournalReadOnly    nothing can be added to this journal, and why       (journal)
├── JournalFull        the disk has no room for what was to be recorded    (journal)
├── JournalBusy        another engine holds the state folder               (journal)
├── DoorRefused        a call was tried that nobody had been shown         (actions)
├── PluginBroken       a plugin could not be loaded or raised              (plugins)
├── Unreachable        something on the network did not answer
│   └── CannotLook     this machine, or what was written, stands in the way: nothing is said of the other side
├── StoreRefused       a database or cache answered, and refused what was asked (actions)
└── TryLater           the other side asked to be left alone for a while (Retry-After)
"""

from __future__ import annotations


class WarroomError(Exception):
    """``title`` says what happened, ``cause`` why, ``hint`` what to do next. Each is one plain sentence."""

    def __init__(self, title: str, cause: str = "", hint: str = "") -> None:
        super().__init__(title, cause, hint)
        self.title = title
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        return ". ".join(part.rstrip(".") for part in (self.title, self.cause, self.hint) if part)


class BadInput(WarroomError):
    pass


class ProgramMissing(WarroomError):
    pass


class ProgramFailed(WarroomError):
    pass


class TimedOut(WarroomError):
    pass


class JournalDamaged(WarroomError):
    pass


class JournalReadOnly(WarroomError):
    pass


class JournalFull(WarroomError):
    pass


class JournalBusy(WarroomError):
    pass


class DoorRefused(WarroomError):
    pass


class PluginBroken(WarroomError):
    pass


class Unreachable(WarroomError):
    pass


class CannotLook(Unreachable):
    pass


class StoreRefused(WarroomError):
    """``code`` is the store's own: PostgreSQL's five characters (``42P01``), or Redis's first word (``NOAUTH``)."""

    def __init__(self, title: str, cause: str = "", hint: str = "", *, code: str = "") -> None:
        super().__init__(title, cause, hint)
        self.code = code


class TryLater(WarroomError):
    """``after_s`` is how long the other side asked us to wait, in seconds; None when it did not say."""

    def __init__(self, title: str, cause: str = "", hint: str = "", *, after_s: float | None = None) -> None:
        super().__init__(title, cause, hint)
        self.after_s = after_s


class Refusal(WarroomError):
    """Why an intent was not accepted, in a sentence for the person who asked.

    ``helps`` is the type of the intent that would help, where one would ("choose-target"). It names no key: keys are
    the console's, and people choose them.
    """

    def __init__(self, title: str, cause: str = "", hint: str = "", *, helps: str = "") -> None:
        super().__init__(title, cause, hint)
        self.helps = helps
