"""Writes KEYS.md from the table of actions: ``python -m warroom.console.keys_md [FILE]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from warroom.console.keymap import ACTIONS
from warroom.console.keys import FORBIDDEN, drawn
from warroom.console.settings import local_keys

FILE = Path("KEYS.md")

_HEAD = """\
# Keys

Written by `python -m warroom.console.keys_md` from the console's table of actions: change the table, not this file.

Capital letters change the world or end something; lower-case ones prepare, or look. While text is typed no action's key
acts. A key that can't be used now says why when it is pressed, and `?` lists every key with the reason.

To put an action on another key, name its id in the settings file (`settings.yaml` in your configuration folder's
`warroom`, or the file that `--settings` or `WARROOM_SETTINGS` names):

```yaml
keys: {target: p, plan: g, palette: F1}
```

Everything that shows a key follows. Two actions on one key, an unknown id and a key that may not be used are refused at
start, each with its place in the file.
"""


def keys_md() -> str:
    parts = [_HEAD]
    for group, actions in groupby(ACTIONS, key=lambda action: action.group):
        rows = [(f"`{drawn(action.key)}`", f"`{action.id}`", action.what) for action in actions]
        parts.append(f"## {group}\n\n{_table(('key', 'id', 'what it does'), rows)}")
    own = [(" ".join(f"`{key}`" for key in keys.split()), where, what) for where, keys, what in local_keys()]
    parts.append(
        f"## In panes, lists and dialogs\n\nThese stay as they are.\n\n{_table(('key', 'where', 'what'), own)}"
    )
    forbidden = [(f"`{drawn(key)}`", why) for key, why in FORBIDDEN.items()]
    parts.append(f"## Where no action may stand\n\n{_table(('key', 'why'), forbidden)}")
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in lines)


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(keys_md(), encoding="utf-8")
