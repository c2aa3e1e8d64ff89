"""ResourceQuota: new pods beyond ``hard.pods`` are refused."""

from __future__ import annotations

from collections.abc import Callable

from tests.kube.api import Api
from tests.kube.errors import ApiError
from tests.kube.kubelet import PODS
from tests.kube.resources import Resource
from tests.kube.store import Obj


def by_quota(api: Api) -> Callable[[Resource, Obj], None]:
    def admit(of: Resource, obj: Obj) -> None:
        if of.key != PODS.key:
            return
        space = obj["metadata"]["namespace"]
        for quota in api.store.all(("", "resourcequotas"), space):
            hard = quota["spec"].get("hard", {})
            most = hard.get("pods", hard.get("count/pods"))
            used = len(api.store.all(PODS.key, space))
            if most is not None and used + 1 > int(most):
                name, quoted = obj["metadata"]["name"], quota["metadata"]["name"]
                why = f"exceeded quota: {quoted}, requested: pods=1, used: pods={used}, limited: pods={most}"
                raise ApiError(403, f'pods "{name}" is forbidden: {why}', details={"name": name, "kind": "pods"})

    return admit
