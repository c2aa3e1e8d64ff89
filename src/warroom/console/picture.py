"""The console's own picture for the evidence: SVG without the remote font that the exporter names."""

from __future__ import annotations

import re

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}", re.DOTALL)
_REMOTE = re.compile(r"url\(\s*[\"']?https?:[^)]*\)", re.IGNORECASE)


def plain_svg(svg: str) -> str:
    """Nothing in it is fetched from anywhere when it is opened."""
    plain = _REMOTE.sub("none", _FONT_FACE.sub("", svg)).replace("Fira Code", "DejaVu Sans Mono")
    return plain.replace("<svg ", '<svg xml:space="preserve" ', 1)
