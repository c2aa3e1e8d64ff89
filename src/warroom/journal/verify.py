"""Is a journal whole?"""

from __future__ import annotations

from pathlib import Path

from warroom.errors import BadInput
from warroom.journal.publishing import held_against
from warroom.journal.reading import Verified, read

__all__ = ["Verified", "verify"]

MOST = 256 * 1024 * 1024


def verify(folder: Path, published: Path | None = None) -> Verified:
    """Whether every entry is as it was written and acknowledged, and if not, the first that isn't. Changes no file.

    The last entry's hash is also in the head file; someone who rewrites all of both can only be caught by a copy of the
    head that is kept elsewhere: ``published`` is a file with lines of such copies.
    """
    reading = read(folder)
    if published is None:
        return reading.verified
    try:
        with published.open("rb") as file:
            lines = file.read(MOST).decode("utf-8", "replace")
    except OSError as error:
        raise BadInput(f"{published} can't be read", error.strerror or str(error), "give another file") from None
    return held_against(reading, lines)
