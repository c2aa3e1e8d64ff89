"""The console's side of the Session: what it knows, what it asks, what it sends."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from warroom.console.keymap import BY_INTENT, DEFAULT_KEYS
from warroom.console.keys import Keys
from warroom.console.store import Store, utc_now
from warroom.errors import WarroomError
from warroom.model.intent import Intent
from warroom.model.live import Page, Query
from warroom.session import Accepted, Refused, Session

P = TypeVar("P", bound=Page)


class Client:
    """Intents carry an id of ours; one whose answer got lost is sent again under that id: nothing is done twice."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now, keys: Keys = DEFAULT_KEYS) -> None:
        self.session = session
        self.store = Store(keys, now)
        self.drafts: dict[str, str] = {}
        self._unanswered: list[tuple[Intent, str]] = []

    async def submit(self, intent: Intent) -> Accepted | Refused:
        """The engine's answer, a refusal with the key that helps; a line that fails is told as a refusal in words."""
        intent_id = next((known for waiting, known in self._unanswered if waiting == intent), uuid.uuid4().hex)
        self._unanswered = [pair for pair in self._unanswered if pair[1] != intent_id]
        try:
            reply = await self.session.submit(intent_id, intent)
        except (WarroomError, OSError) as error:
            self._unanswered = [*self._unanswered[-20:], (intent, intent_id)]
            return Refused(reason=f"The engine did not answer ({error}). Send it again: it will not be done twice.")
        if isinstance(reply, Refused) and reply.helps in BY_INTENT:
            return reply.model_copy(update={"reason": f"{reply.reason} ({self.store.key(BY_INTENT[reply.helps])})"})
        return reply

    async def ask(self, query: Query, kind: type[P]) -> P:
        """One page. Raises ``WarroomError`` where it can't be read, or is not of the kind that was asked for."""
        page = await self.session.query(query)
        if not isinstance(page, kind):
            raise WarroomError("The engine answered something else", f"{kind.__name__} was asked for, {page.kind} came")
        return page
