"""The override that pins images: a Compose file of warroom's own, outside the repository, given as the last ``-f``.

services:
  web:
    image: "registry.example/web@sha256:…"
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from warroom.api import BadInput, WarroomError
from warroom_compose.files import contents

HEADER = "# Pinned by warroom: give this file as the last -f. The step unpin takes it away."
_SERVICE = re.compile(r'  ("(?:[A-Za-z0-9._-]+)"):')
_IMAGE = re.compile(r'    image: ("(?:[^"\\]+)")')


def rendered(images: Mapping[str, str]) -> str:
    """``images`` by service. The same pins give the same text."""
    lines = [HEADER, "services:"]
    for service, image in sorted(images.items()):
        lines += [f"  {json.dumps(service)}:", f"    image: {json.dumps(image)}"]
    return "".join(f"{line}\n" for line in lines)


def parsed(text: str, where: str) -> dict[str, str]:
    """What ``rendered`` wrote. Raises BadInput for anything else: what a person put in there is not ours to drop."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found: dict[str, str] = {}
    if lines[:1] != ["services:"] or len(lines) % 2 != 1:
        raise _changed(where, lines[0] if lines else "an empty file")
    for name, image in zip(lines[1::2], lines[2::2], strict=True):
        service, pinned = _SERVICE.fullmatch(name), _IMAGE.fullmatch(image)
        if service is None or pinned is None:
            raise _changed(where, name if service is None else image)
        found[json.loads(service[1])] = json.loads(pinned[1])
    return found


def _changed(where: str, line: str) -> WarroomError:
    return BadInput(
        "The pinned images can't be read",
        f"{where} is not as warroom writes it: {line.strip()[:80]!r}",
        "Move that file away, or mend it by hand.",
    )


def text_of(path: Path) -> str | None:
    """The file as it is; None when there is none. Raises WarroomError where it can't be read."""
    try:
        return contents(path).decode()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WarroomError("The pinned images can't be read", f"{path}: {error}") from None


def merged(text: str | None, images: Mapping[str, str], where: str) -> str:
    """The file with these pins in it as well; a service that is pinned already gets the new one."""
    return rendered({**(parsed(text, where) if text is not None else {}), **images})
