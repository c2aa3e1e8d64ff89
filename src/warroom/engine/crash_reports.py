"""Reports of warroom's own crashes to Sentry, for who asks for it: WARROOM_SENTRY_DSN names the project.

A report is made anew from a list of what may be in it: the error's type, its message with quotes, ids and numbers
masked, and where in the code it came from. No local variables, no breadcrumbs, no host, no person, no request, no log
line, nothing of an incident.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import warroom
from warroom.engine import own_log
from warroom.errors import WarroomError

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

DSN = "WARROOM_SENTRY_DSN"
FLUSH_S = 2.0
LONGEST = 200
_KEPT = ("event_id", "timestamp", "level", "platform", "release")
_FRAME = ("module", "function", "lineno")
_begun = False


def begin() -> None:
    """Raises WarroomError for an address that is none, or when the library is not installed. Without one: nothing."""
    global _begun  # noqa: PLW0603 - the library itself is set up once for the whole program
    dsn = os.environ.get(DSN, "").strip()
    if not dsn:
        return
    try:
        import sentry_sdk
    except ImportError:
        raise WarroomError(
            "Crash reports need sentry-sdk", f"{DSN} is set, and it is not installed", "install warroom[sentry]"
        ) from None
    try:
        sentry_sdk.init(
            dsn=dsn,
            release=f"warroom@{warroom.__version__}",
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            send_default_pii=False,
            send_client_reports=False,
            auto_session_tracking=False,
            max_breadcrumbs=0,
            max_request_body_size="never",
            server_name="",
            shutdown_timeout=FLUSH_S,
            before_send=scrubbed,
        )
    except ValueError:
        raise WarroomError(
            f"{DSN} is no Sentry address", "it can't be read as one", "correct it, or unset it"
        ) from None
    _begun = True


def report(error: BaseException, *, wait: bool = False) -> None:
    """Returns at once, unless it is to ``wait`` until the report is sent, for two seconds at most."""
    if not _begun or isinstance(error, WarroomError):
        return
    import sentry_sdk

    sentry_sdk.capture_exception(error)
    if wait:
        sentry_sdk.flush(timeout=FLUSH_S)


def scrubbed(event: Event, _hint: Hint) -> Event | None:
    """A new event of what may be sent. One without an error is not sent at all."""
    whole: dict[str, Any] = dict(event)
    values = (whole.get("exception") or {}).get("values") or []
    if not values:
        return None
    kept: Any = {key: whole[key] for key in _KEPT if key in whole}
    kept["exception"] = {"values": [_error(value) for value in values]}
    return kept  # type: ignore[no-any-return] # an Event is a dict of these


def _error(value: dict[str, Any]) -> dict[str, Any]:
    from warroom.signals.kinds import fingerprint

    frames = (value.get("stacktrace") or {}).get("frames") or []
    return {
        "type": value.get("type"),
        "value": fingerprint(own_log.clean(str(value.get("value") or "")))[:LONGEST],
        "stacktrace": {"frames": [{key: frame.get(key) for key in _FRAME} for frame in frames]},
    }
