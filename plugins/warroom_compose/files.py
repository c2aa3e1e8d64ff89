"""Files that are read: the project's, and the one that pins images.

Their names may come from the labels of containers, which whoever may start one can write.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 4 * 2**20
"""Bytes; no Compose file is nearly as long."""
_KERNEL = (Path("/proc"), Path("/sys"))
"""What the kernel tells of itself and of its processes, such as this one's environment."""


def contents(path: str | Path) -> bytes:
    """Raises OSError, for what is no plain file too: a device or a pipe may never end, or never begin."""
    try:
        real = Path(os.path.realpath(path))
        if any(real.is_relative_to(each) for each in _KERNEL) or not stat.S_ISREG(os.stat(real).st_mode):
            raise OSError(errno.EINVAL, "is no plain file", str(path))
        with open(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            found = file.read(LARGEST + 1)
    except ValueError as error:  # a name that no file can have
        raise OSError(errno.EINVAL, str(error), repr(path)) from None
    if len(found) > LARGEST:
        raise OSError(errno.EFBIG, f"is larger than {LARGEST >> 20} MiB", str(path))
    return found
