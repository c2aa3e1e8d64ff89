"""Who asks, and whether they may: tokens, denials as RBAC words them, and the reviews of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.kube import clock
from tests.kube.errors import ApiError, qualified
from tests.kube.store import Obj

TOKEN = "emulator-token-of-the-tests"
USER = "warroom-tester"


@dataclass(frozen=True)
class Denial:
    verb: str
    resource: str
    """"deployments", "deployments/scale", "*"."""

    namespace: str

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        return self.verb in ("*", verb) and self.resource in ("*", resource) and self.namespace in ("*", namespace)


class Access:
    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.denials: list[Denial] = []
        self.reset()

    def reset(self) -> None:
        self.tokens, self.denials = {TOKEN: USER}, []

    def user(self, header: str, certificate: str) -> str:
        """``certificate`` is the common name of a client's certificate that the server's CA has signed."""
        word, _, token = header.partition(" ")
        if word.lower() == "bearer" and token in self.tokens:
            return self.tokens[token]
        if certificate and not header:
            return certificate
        raise ApiError(401, "Unauthorized")

    def allowed(self, verb: str, resource: str, namespace: str) -> bool:
        return not any(denial.covers(verb, resource, namespace) for denial in self.denials)

    def check(self, user: str, verb: str, group: str, resource: str, namespace: str, name: str) -> None:
        if self.allowed(verb, resource, namespace):
            return
        plural = resource.partition("/")[0]
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
        raise ApiError(
            403,
            f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}"{where}',
            details={"name": name, "group": group, "kind": plural},
        )

    def review(self, plural: str, body: Any, user: str) -> Obj:
        """The answer to a Self…Review: the object with its status; it is kept nowhere."""
        if not isinstance(body, dict) or not isinstance(body.get("spec", {}), dict):
            raise ApiError(400, "the object provided is unrecognized")
        status: Obj
        if plural == "selfsubjectaccessreviews":
            asked = body.get("spec", {}).get("resourceAttributes")
            if asked is None and body.get("spec", {}).get("nonResourceAttributes") is None:
                raise ApiError(422, "spec.resourceAttributes: Invalid value: exactly one of both must be specified")
            status = {"allowed": True} if asked is None else self._one(asked)
        elif plural == "selfsubjectreviews":
            status = {"userInfo": {"username": user, "groups": ["system:authenticated"]}}
        else:
            every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            rules = [] if self.denials else [every]
            status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": bool(self.denials)}
        return {**body, "metadata": {"creationTimestamp": clock.seconds()}, "status": status}

    def _one(self, asked: Obj) -> Obj:
        resource = asked.get("resource", "*")
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        if self.allowed(asked.get("verb", "*"), resource, asked.get("namespace", "")):
            return {"allowed": True, "reason": "RBAC: allowed"}
        return {"allowed": False}
