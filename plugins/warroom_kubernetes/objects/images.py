"""Image names as templates write them, and digests as pods report them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    """``digest`` is the registry's where the template or a pod says it, else the image's ID on the node; None where
    nothing says it, and where pods of one template have different ones: ``digests`` are all that were seen.
    """

    container: str
    reference: str
    digests: tuple[str, ...] = ()

    @property
    def digest(self) -> str | None:
        return pinned(self.reference) or (self.digests[0] if len(self.digests) == 1 else None)

    @property
    def tag(self) -> str:
        """Empty without one."""
        return tag_of(self.reference)

    @property
    def words(self) -> str:
        shown = self.digest[7:19] if self.digest else ""
        return f"{self.reference}{f' ({shown})' if shown and shown not in self.reference else ''}"


def pinned(reference: str) -> str | None:
    """The digest that a reference names itself."""
    found = _DIGEST.fullmatch(reference.partition("@")[2])
    return found[0] if found else None


def tag_of(reference: str) -> str:
    """``registry:5000/shop/web:v2`` → ``v2``."""
    last = reference.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[2]


def digest_in(image_id: object) -> str | None:
    """Of a pod's ``imageID``: ``repo@sha256:…``, ``docker-pullable://repo@sha256:…``, or the image's bare ID."""
    if not isinstance(image_id, str):
        return None
    found = _DIGEST.search(image_id)
    return found[0] if found else None


def image_of(container: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> Image:
    """What a template's container names, and what ``pods`` made of that template say that they run."""
    name, reference = str(container.get("name") or ""), str(container.get("image") or "")
    seen: set[str] = set()
    for pod in pods:
        status = pod.get("status") or {}
        for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            digest = digest_in(one.get("imageID")) if one.get("name") == name else None
            if digest is not None:
                seen.add(digest)
    return Image(name, reference, tuple(sorted(seen)))
