"""What the API says when it says no."""

from __future__ import annotations

from typing import Any

from warroom.api import WarroomError


class ApiRefused(WarroomError):
    """The API answered, and said no. ``status`` is the HTTP status, ``reason`` the API's own word for it
    (``NotFound``, ``AlreadyExists``), ``details`` its Status.details."""

    def __init__(
        self,
        title: str,
        cause: str = "",
        hint: str = "",
        *,
        status: int = 0,
        reason: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(title, cause, hint)
        self.status = status
        self.reason = reason
        self.details = details or {}


class NotThere(ApiRefused):
    """There is no such object, or no such resource (404)."""


class Forbidden(ApiRefused):
    """Whoever is logged in has no right to it (403)."""


class Conflict(ApiRefused):
    """It has changed since, or is there already (409)."""


class Gone(ApiRefused):
    """The version to watch from, or to continue a list at, is no longer kept (410)."""


class Invalid(ApiRefused):
    """The object would not be valid, or a patch's ``test`` did not hold (422)."""


class LoginRefused(ApiRefused):
    """The login is not, or no longer, good (401), and a new one is not either."""


KINDS: dict[int, type[ApiRefused]] = {
    401: LoginRefused,
    403: Forbidden,
    404: NotThere,
    409: Conflict,
    410: Gone,
    422: Invalid,
}
_HINTS = {
    401: "log in again as kubectl needs it, then try once more",
    403: "have an administrator grant that right, or name another context",
}


def refusal(asked: str, status: int, answer: object, text: str = "") -> ApiRefused:
    """From the API's Status object (``answer``), or from what stood in the answer's place (``text``)."""
    said: dict[str, Any] = answer if isinstance(answer, dict) else {}
    message = said.get("message")
    details = said.get("details")
    words = message if isinstance(message, str) and message else text.strip() or f"HTTP {status}"
    return KINDS.get(status, ApiRefused)(
        f"The cluster refused {asked}",
        words[:500],
        _HINTS.get(status, ""),
        status=status,
        reason=str(said.get("reason") or ""),
        details=details if isinstance(details, dict) else None,
    )
