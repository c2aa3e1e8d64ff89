"""Secrets and control bytes, once, at ingress: whatever comes from outside passes here before it is kept.

First every control sequence becomes visible, so that nothing hides in it and no terminal obeys it; then known secret
values, in the forms they travel in; then a set of patterns. Each pattern has literals that must stand in the text
before its expression is tried, so that ordinary lines cost a few substring searches.

``Redactor`` cleans whole texts, ``LineCleaner`` one source's log, ``LogCleaner`` those of many, ``ChunkCleaner``
what comes in pieces.
"""

from warroom.redact.chunks import ChunkCleaner
from warroom.redact.control import visible
from warroom.redact.lines import LineCleaner, LogCleaner
from warroom.redact.redactor import Redactor

__all__ = ["ChunkCleaner", "LineCleaner", "LogCleaner", "Redactor", "visible"]
