"""Refusals as the API server words them: a Status with code, reason and details."""

from __future__ import annotations

from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiError(Exception):
    def __init__(self, code: int, message: str, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "Unknown")
        self.details = details or {}

    def status(self) -> dict[str, Any]:
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body |= {"message": self.message, "reason": self.reason}
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


def qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> ApiError:
    details = {"name": name, "kind": plural} | ({"group": group} if group else {})
    return ApiError(404, f'{qualified(plural, group)} "{name}" not found', details=details)


def no_such_path() -> ApiError:
    return ApiError(404, "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    details = {"name": name, "kind": plural} | ({"group": group} if group else {})
    return ApiError(409, f'{qualified(plural, group)} "{name}" already exists', "AlreadyExists", details)


def conflict(plural: str, group: str, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    details = {"name": name, "kind": plural} | ({"group": group} if group else {})
    return ApiError(409, message, details=details)


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def invalid(kind: str, group: str, name: str, causes: list[tuple[str, str]]) -> ApiError:
    """``causes`` are (field, what is wrong)."""
    words = [f"{field}: {what}" for field, what in causes]
    text = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    details = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": "FieldValueInvalid", "message": what, "field": field} for field, what in causes],
    }
    return ApiError(422, f'{qualified(kind, group)} "{name}" is invalid: {text}', details=details)


def expired(message: str) -> ApiError:
    return ApiError(410, message)
