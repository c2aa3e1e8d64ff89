"""``python -m warroom.cli``: the same as ``warroom``."""

from warroom.cli.entry import main

main()
