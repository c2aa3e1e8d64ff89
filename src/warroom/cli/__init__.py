"""The command line. ``commands`` has them all, ``entry`` is the way in and out."""

from warroom.cli.entry import main

__all__ = ["main"]
