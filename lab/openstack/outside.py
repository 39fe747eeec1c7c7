"""
What lies outside a site learns which of its routers has which IPv6 prefix.

Between a real site and its provider, BGP does this (neutron-dynamic-routing).
"""
# neutron has no types.
# mypy: disable-error-code="import-untyped, misc"

from typing import Any

from neutron_lib.agent import l3_extension
from oslo_config import cfg

from lab.hosts.command import succeeds

cfg.CONF.register_opts(
    [
        cfg.StrOpt("world", help="The namespace outside the site."),
        cfg.StrOpt("device", help="Its interface to the site."),
    ],
    group="citydc",
)


def routes(router: dict[str, Any]) -> dict[str, str]:
    """Give the next hop of each IPv6 prefix behind a router, as neutron tells its agents."""
    gateway = router.get("gw_port") or {}
    hops = [one["ip_address"] for one in gateway.get("fixed_ips", ()) if ":" in one["ip_address"]]
    return {
        subnet["cidr"]: hops[0]
        for port in router.get("_interfaces", ())
        for subnet in port.get("subnets", ())
        if hops and ":" in subnet["cidr"]
    }


class Extension(l3_extension.L3AgentExtension):
    """What `extensions = citydc_outside` stands for; the entry point names it."""

    def initialize(self, _connection: Any, _driver_type: Any) -> None:
        """Know no routes yet."""
        self._routes: dict[str, dict[str, str]] = {}  # by router

    def consume_api(self, _agent_api: Any) -> None:
        """Need nothing of the agent."""

    def add_router(self, _context: Any, router: dict[str, Any]) -> None:
        """Have the routes to what is behind the router."""
        self._set(router["id"], routes(router))

    update_router = add_router

    def delete_router(self, _context: Any, router: Any) -> None:
        """Have no routes to what was behind the router."""
        self._set(router["id"] if isinstance(router, dict) else router, {})

    def ha_state_change(self, _context: Any, _router: Any) -> None:
        """Have no routers of that kind."""

    def update_network(self, _context: Any, _network: Any) -> None:
        """Have nothing that depends on it."""

    def _set(self, router: str, wanted: dict[str, str]) -> None:
        had = self._routes.pop(router, {})
        for prefix in had.keys() - wanted.keys():
            self._route("delete", prefix)
        for prefix, hop in wanted.items():
            self._route("replace", prefix, "via", hop, "dev", cfg.CONF.citydc.device)
        if wanted:
            self._routes[router] = wanted

    @staticmethod
    def _route(*words: str) -> None:
        succeeds("ip", "-n", cfg.CONF.citydc.world, "-6", "route", *words)
