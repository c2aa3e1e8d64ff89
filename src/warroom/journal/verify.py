"""Is a journal whole?"""

from __future__ import annotations

from pathlib import Path

from warroom.journal.reading import Verified, read

__all__ = ["Verified", "verify"]


def verify(folder: Path) -> Verified:
    """Whether every entry is as it was written and acknowledged, and if not, the first that isn't. Changes no file.

    The last entry's hash is also in the head file; someone who rewrites all of both can only be caught by a copy of the
    head that is kept elsewhere.
    """
    return read(folder).verified
