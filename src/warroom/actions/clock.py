"""How far this machine's clock may be off, by the kernel's own word: what evidence from several hosts is held by."""

from __future__ import annotations

import ctypes
import struct
import sys

_UNSYNCHRONISED = 0x40
_NANOSECONDS = 0x2000


def clock_standing() -> dict[str, float | bool | None]:
    """``offset_s`` to the reference that the machine follows, and the largest error, in seconds.

    None where the kernel says it follows none, or can't be asked: then the offset is not known, and not zero.
    """
    unknown: dict[str, float | bool | None] = {"synchronised": None, "offset_s": None, "largest_error_s": None}
    if not sys.platform.startswith("linux") or struct.calcsize("l") != 8:
        return unknown
    told = ctypes.create_string_buffer(512)  # struct timex with no mode set: it is only read
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(told) < 0:
            return unknown
    except (OSError, AttributeError):
        return unknown
    _, offset, _, largest, _, status = struct.unpack_from("@iqqqqi", told.raw)
    if status & _UNSYNCHRONISED:
        return {**unknown, "synchronised": False}
    offset_s = offset / (1e9 if status & _NANOSECONDS else 1e6)
    return {"synchronised": True, "offset_s": offset_s, "largest_error_s": largest / 1e6}
