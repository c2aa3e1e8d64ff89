"""What a runbook says about a drill lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from warroom.model.base import Duration, Fact


def _lab_file(text: str) -> str:
    path = Path(text)
    if not path.is_absolute() or path.suffix != ".json" or "\0" in text:
        raise ValueError("the absolute path of a lab's lab.json was expected")
    return text


class Config(Fact):
    """``lab_file`` is the lab's own ``lab.json``, written when it is ready; its token lies beside it.

    ``every`` is the pause between two measurements. ``dump`` False: the database's evidence is somebody else's to take.
    """

    lab_file: Annotated[str, Field(max_length=4000), AfterValidator(_lab_file)]
    every: Annotated[Duration, Field(ge=0.2, le=60)] = 1
    dump: bool = True

    @property
    def token_secret(self) -> str:
        """The name of the secret that is the control endpoint's token."""
        return f"file:{Path(self.lab_file).with_name('token')}"
