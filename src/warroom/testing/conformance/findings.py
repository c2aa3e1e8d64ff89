"""What the suite found, gathered so that a plugin's writer sees all of it at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel

from warroom.errors import WarroomError
from warroom.model.base import canonical


@dataclass(frozen=True)
class Finding:
    """``rule`` is the sentence that does not hold, ``where`` the part of the plugin, ``words`` what was seen."""

    rule: str
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule} ({self.words})"


class NonConformance(AssertionError):
    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


@dataclass
class Findings:
    found: list[Finding] = field(default_factory=list)

    def add(self, rule: str, where: str, words: object = "") -> None:
        self.found.append(Finding(rule, where, str(words)[:500]))

    def hold(self, holds: bool, rule: str, where: str, words: object = "") -> None:
        if not holds:
            self.add(rule, where, words)

    def typed(self, value: object, kind: type, rule: str, where: str) -> bool:
        """Whether ``value`` is a ``kind``; a plugin's annotations are not proof."""
        fits = isinstance(value, kind)
        self.hold(fits, rule, where, type(value).__name__)
        return fits

    def settle(self) -> None:
        """Raises ``NonConformance`` if there is anything."""
        if self.found:
            raise NonConformance(tuple(self.found))

    @contextlib.contextmanager
    def within(self, where: str, *, may_refuse: bool = False) -> Iterator[None]:
        """What is raised inside becomes a finding. ``may_refuse``: a ``WarroomError`` is an answer too."""
        try:
            yield
        except WarroomError as error:
            if not may_refuse:
                self.add("it must work on the platform it is tried on", where, error)
        except TimeoutError:
            self.add("it must answer in time", where, "no answer")
        except (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a plugin raises is what the suite is there to report
            self.add("it may raise nothing but WarroomError", where, f"{type(error).__name__}: {error}")


def jsonable(value: object) -> bool:
    """Plain JSON, without NaN, that is the same after a round trip."""
    try:
        if isinstance(value, BaseModel):
            return type(value).model_validate_json(canonical(value)) == value
        return bool(json.loads(canonical(value)) == value)
    except (TypeError, ValueError):
        return False
