"""
Load balancers: octavia changes one thing of a load balancer's tree at a time.

While it does, the whole tree is immutable (409), so that changes of one tree are made one after
the other here, each again after a wait for the load balancer where octavia is still busy.
"""

import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from .base import (
    ApiError,
    Body,
    Cloud,
    Kind,
    Stray,
    Values,
    agrees,
    gone_is_fine,
)
from .quota import Quota as BaseQuota

_LIMIT = 300  # seconds for which a change waits for others


class Octavia(Kind):
    """A type of the load balancing service."""

    service, owner = "load_balancer", "project_id"
    settled, failed, gone_is_slow = ("ACTIVE",), ("ERROR",), True

    def balancer(self, cloud: Cloud, inputs: Values) -> str:
        """Return the id of the load balancer that an object with these inputs belongs to."""
        raise NotImplementedError

    def changed(self, cloud: Cloud, balancer: str, change: Callable[[], Any]) -> Any:
        """Return change(), made once nothing else changes the load balancer."""
        until, pause = time.monotonic() + _LIMIT, 0.1
        with cloud.lock(f"load balancer {balancer}"):
            while True:
                try:
                    return change()
                except ApiError as error:
                    message = error.message.lower()
                    busy = "immutable" in message or "invalid state pending" in message
                    if not busy or time.monotonic() > until:
                        raise
                time.sleep(pause)
                pause = min(pause * 1.5, 2)
                _wait_active(cloud, balancer)

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Start creating."""
        body = {self.key: self.encode(inputs)}
        answer = self.changed(
            cloud,
            self.balancer(cloud, inputs),
            lambda: self.call(cloud, "post", self.path, body),
        )
        return str(answer[self.key]["id"])

    def settle(self, cloud: Cloud, ident: str) -> None:
        """Wait until octavia has provisioned the object."""

        def look() -> str:
            body = self.fetch(cloud, ident)
            cloud.keep(self.token, ident, body)
            return str(body["provisioning_status"])

        cloud.wait(look, self.settled, self.failed)

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties."""
        send = {name: inputs.get(name, _nothing(old.get(name))) for name in changed}
        if body := self.encode(send):
            self.changed(
                cloud,
                self.balancer(cloud, inputs),
                lambda: self.call(cloud, "put", self.url(ident), {self.key: body}),
            )
        self.settle(cloud, ident)

    def delete(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the object and wait until it is gone."""
        with gone_is_fine():
            balancer = self.balancer(cloud, outputs)
            self.changed(cloud, balancer, lambda: self.remove(cloud, ident, outputs))
            self.until_gone(cloud, ident, outputs)

    def until_gone(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Wait until octavia no longer knows the object."""
        del outputs
        cloud.wait(
            lambda: self.fetch(cloud, ident)["provisioning_status"], (None, "DELETED"), ("ERROR",)
        )


def _nothing(value: Any) -> Any:
    return type(value)() if isinstance(value, (str, list, dict)) else value


def _wait_active(cloud: Cloud, balancer: str) -> None:
    path = f"/lbaas/loadbalancers/{balancer}"
    cloud.wait(
        lambda: cloud.call("load_balancer", "get", path)["loadbalancer"]["provisioning_status"],
        ("ACTIVE", None),
        ("ERROR",),
    )


class LoadBalancer(Octavia):
    """A load balancer; its security groups are those of its VIP's port."""

    path, key = "/lbaas/loadbalancers", "loadbalancer"
    properties = """name? adminStateUp availabilityZone! description flavorId?!
        loadbalancerProvider?!=provider region?!- securityGroupIds?@+ tags@ tenantId?!=project_id
        vipAddress?! vipNetworkId?! vipPortId?! vipQosPolicyId? vipSubnetId?!"""
    defaults: ClassVar[Values] = {"adminStateUp": True}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Start creating; the VIP's port is there at once and takes its groups."""
        body = self.call(cloud, "post", self.path, {self.key: self.encode(inputs)})[self.key]
        self.finish(cloud, body["id"], inputs)
        return str(body["id"])

    def finish(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Give the VIP's port its groups."""
        if inputs.get("securityGroupIds"):
            port = Kind.fetch(self, cloud, ident)["vip_port_id"]
            fields = {"security_groups": inputs["securityGroupIds"]}
            cloud.call("network", "put", f"/ports/{port}", {"port": fields})

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the load balancer with its VIP's groups."""
        body = super().fetch(cloud, ident)
        with gone_is_fine():
            port = cloud.call("network", "get", f"/ports/{body['vip_port_id']}")["port"]
            return {**body, "groups": port["security_groups"]}
        return body

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return the project's load balancers, with their VIPs' groups."""
        query = {"device_owner": ["Octavia", "network:octavia"], "project_id": cloud.project_id}
        found = super().listing(cloud) or {}
        if found:
            ports = {
                port["id"]: port["security_groups"]
                for port in cloud.pages("network", "/ports", "ports", params=query)
            }
            for ident, body in found.items():
                if body["vip_port_id"] not in ports:
                    found[ident] = self.fetch(cloud, ident)
                else:
                    body["groups"] = ports[body["vip_port_id"]]
        return found

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        given, told = inputs.get("securityGroupIds"), sorted(body.get("groups") or ())
        kept = given is not None and agrees(given, told, ordered=False)
        return found | {"securityGroupIds": given if kept else told}

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties."""
        cloud.take(self.token, ident)
        if "securityGroupIds" in changed:
            self.finish(cloud, ident, {"securityGroupIds": [], **inputs})
        names = set(changed) - {"securityGroupIds"}
        super().update(cloud, ident, {**inputs, "id": ident}, old, names)

    def balancer(self, cloud: Cloud, inputs: Values) -> str:
        """Return the load balancer's own id."""
        del cloud
        return str(inputs["id"])

    def delete(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the load balancer and wait until it is gone."""
        with gone_is_fine():
            self.changed(cloud, ident, lambda: self.remove(cloud, ident, outputs))
            cloud.wait(
                lambda: Kind.fetch(self, cloud, ident)["provisioning_status"], (None, "DELETED")
            )


class Listener(Octavia):
    """A listener."""

    path, key = "/lbaas/listeners", "listener"
    properties = """name? adminStateUp allowedCidrs?@ alpnProtocols?@ clientAuthentication?
        clientCaTlsContainerRef clientCrlContainerRef connectionLimit?# defaultPoolId?
        defaultTlsContainerRef description hstsIncludeSubdomains~ hstsMaxAge# hstsPreload~
        insertHeaders* loadbalancerId!=loadbalancer_id protocol! protocolPort!# region?!-
        sniContainerRefs tags@ tenantId?!=project_id timeoutClientData?# timeoutMemberConnect?#
        timeoutMemberData?# timeoutTcpInspect?# tlsCiphers? tlsVersions?@"""
    defaults: ClassVar[Values] = {"adminStateUp": True}

    def balancer(self, cloud: Cloud, inputs: Values) -> str:
        """Return the load balancer's id."""
        del cloud
        return str(inputs["loadbalancerId"])

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        balancers = [one["id"] for one in body.get("loadbalancers") or ()]
        found = super().decode(body, inputs, cloud)
        return found | {"loadbalancerId": next(iter(balancers), "")}


class Pool(Octavia):
    """A pool of a listener or of a load balancer."""

    path, key = "/lbaas/pools", "pool"
    properties = """name? adminStateUp alpnProtocols?@ caTlsContainerRef crlContainerRef description
        lbMethod=lb_algorithm listenerId!+ loadbalancerId!+ persistence?! protocol! region?!- tags@
        tenantId?!=project_id tlsCiphers? tlsContainerRef tlsEnabled~ tlsVersions?@"""
    defaults: ClassVar[Values] = {"adminStateUp": True}

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields."""
        body = super().encode(inputs)
        if "persistence" in body:
            body["session_persistence"] = body.pop("persistence")
        for name, field in (("listenerId", "listener_id"), ("loadbalancerId", "loadbalancer_id")):
            if inputs.get(name):
                body[field] = inputs[name]
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        sticky = {k: v for k, v in (body.get("session_persistence") or {}).items() if v is not None}
        found = super().decode({**body, "persistence": sticky}, inputs, cloud)
        if not sticky and not inputs.get("persistence"):
            found.pop("persistence", None)
        for name, many in (("listenerId", "listeners"), ("loadbalancerId", "loadbalancers")):
            if inputs.get(name):
                there = [one["id"] for one in body.get(many) or ()]
                found[name] = inputs[name] if inputs[name] in there else next(iter(there), "")
        return found

    def balancer(self, cloud: Cloud, inputs: Values) -> str:
        """Return the load balancer's id."""
        if inputs.get("loadbalancerId"):
            return str(inputs["loadbalancerId"])
        return _balancer_of(cloud, "listener", inputs["listenerId"])

    def strays(self, cloud: Cloud, ident: str, known: Collection[str]) -> list[Stray]:
        """Return the members that no program declares."""
        path = f"{self.path}/{ident}/members"
        return [
            Stray(f"{ident}/{body['id']}", f"member {body['address']} port {body['protocol_port']}")
            for body in cloud.pages(self.service, path, "members")
            if body["id"] not in known
        ]

    def remove_stray(self, cloud: Cloud, stray: str) -> None:
        """Delete a member."""
        pool, member = stray.split("/")
        path = f"{self.path}/{pool}/members/{member}"
        with gone_is_fine():
            balancer = _balancer_of(cloud, "pool", pool)
            self.changed(cloud, balancer, lambda: self.call(cloud, "delete", path))
            self.settle(cloud, pool)


def _balancer_of(cloud: Cloud, what: str, ident: str) -> str:
    """Return the load balancer of a listener or a pool."""

    def look() -> str:
        body = cloud.call("load_balancer", "get", f"/lbaas/{what}s/{ident}")[what]
        return str(body["loadbalancers"][0]["id"])

    return str(cloud.once(f"load balancer of {what} {ident}", look))


class Member(Octavia):
    """A pool's member; its id says nothing of the pool."""

    path, key = "/lbaas/pools", "member"
    properties = """name? address! adminStateUp backup?~ monitorAddress? monitorPort?# poolId!+
        protocolPort!# region?!- subnetId! tags@ tenantId?!=project_id weight?#"""
    defaults: ClassVar[Values] = {"adminStateUp": True}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Start creating."""
        body = {self.key: self.encode(inputs)}
        path = f"{self.path}/{inputs['poolId']}/members"
        answer = self.changed(
            cloud, self.balancer(cloud, inputs), lambda: self.call(cloud, "post", path, body)
        )
        cloud.note(f"pool of {answer[self.key]['id']}", inputs["poolId"])
        return str(answer[self.key]["id"])

    def url(self, ident: str) -> str:
        """Return the part of the path after the pool's."""
        return f"members/{ident}"

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the member.  Its pool must have been noted."""
        pool = cloud.once(f"pool of {ident}", lambda: self._pool(cloud, ident))
        return self._fetch(cloud, pool, ident)

    def _fetch(self, cloud: Cloud, pool: str, ident: str) -> Body:
        body = self.call(cloud, "get", f"{self.path}/{pool}/members/{ident}")[self.key]
        return {**body, "pool": pool}

    def _pool(self, cloud: Cloud, ident: str) -> str:
        for pool in cloud.pages(self.service, self.path, "pools"):
            if ident in {one["id"] for one in pool["members"]}:
                return str(pool["id"])
        raise ApiError(
            service=self.service, method="GET", url=ident, status=404, message="no such member"
        )

    def read(
        self, cloud: Cloud, ident: str, inputs: Values, body: Body | None = None
    ) -> Values | None:
        """Return the outputs, or None where the pool has no such member."""
        if inputs.get("poolId"):
            cloud.note(f"pool of {ident}", inputs["poolId"])
        return super().read(cloud, ident, inputs, body)

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        return super().decode(body, inputs, cloud) | {"poolId": body["pool"]}

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the pool's member with the same address and port."""
        found = [
            body["id"]
            for body in self._members(cloud, inputs["poolId"])
            if self.is_wanted(body, inputs, cloud)
        ]
        for ident in found:
            cloud.note(f"pool of {ident}", inputs["poolId"])
        return found

    def _members(self, cloud: Cloud, pool: str) -> list[Body]:
        path = f"{self.path}/{pool}/members"
        return [{**one, "pool": pool} for one in cloud.pages(self.service, path, "members")]

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return the members of the project's pools: one call a pool."""
        pools = cloud.pages(
            self.service, self.path, "pools", params={"project_id": cloud.project_id}
        )
        return {
            body["id"]: body
            for pool in pools
            if pool["members"]
            for body in self._members(cloud, pool["id"])
        }

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties."""
        cloud.note(f"pool of {ident}", inputs["poolId"])
        send = {name: inputs.get(name, _nothing(old.get(name))) for name in changed}
        path = f"{self.path}/{inputs['poolId']}/members/{ident}"
        body = {self.key: self.encode(send)}
        self.changed(
            cloud, self.balancer(cloud, inputs), lambda: self.call(cloud, "put", path, body)
        )
        self.settle(cloud, ident)

    def balancer(self, cloud: Cloud, inputs: Values) -> str:
        """Return the load balancer's id."""
        return _balancer_of(cloud, "pool", inputs["poolId"])

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Ask for the member to be deleted."""
        self.call(cloud, "delete", f"{self.path}/{outputs['poolId']}/members/{ident}")

    def until_gone(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Wait until the pool no longer has the member."""
        cloud.wait(
            lambda: self._fetch(cloud, outputs["poolId"], ident)["provisioning_status"],
            (None, "DELETED"),
            ("ERROR",),
        )


class Monitor(Octavia):
    """A pool's health monitor."""

    path, key = "/lbaas/healthmonitors", "healthmonitor"
    properties = """name? adminStateUp delay# domainName? expectedCodes? httpMethod? httpVersion?+
        maxRetries# maxRetriesDown?# poolId! region?!- tenantId?!=project_id timeout# type!
        urlPath?"""
    defaults: ClassVar[Values] = {"adminStateUp": True}

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields."""
        body = super().encode(inputs)
        if inputs.get("httpVersion"):
            body["http_version"] = float(inputs["httpVersion"])
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        told = body.get("http_version")
        body = {**body, "http_version": str(told) if told else ""}
        pools = [one["id"] for one in body.get("pools") or ()]
        return super().decode(body, inputs, cloud) | {"poolId": next(iter(pools), "")}

    def balancer(self, cloud: Cloud, inputs: Values) -> str:
        """Return the load balancer's id."""
        return _balancer_of(cloud, "pool", inputs["poolId"])


class Quota(BaseQuota):
    """A project's quotas of the load balancing service."""

    service, path, key = "load_balancer", "/lbaas/quotas", "quota"
    properties = """projectId!+ region?!- healthMonitor?#=healthmonitor l7Policy?#=l7policy
        l7Rule?#=l7rule listener?# loadbalancer?# member?# pool?#"""


KINDS: dict[str, type[Kind]] = {
    "openstack:loadbalancer/listener:Listener": Listener,
    "openstack:loadbalancer/loadBalancer:LoadBalancer": LoadBalancer,
    "openstack:loadbalancer/member:Member": Member,
    "openstack:loadbalancer/monitor:Monitor": Monitor,
    "openstack:loadbalancer/pool:Pool": Pool,
    "openstack:loadbalancer/quota:Quota": Quota,
}
