"""A site's real network, as far as it is computed: names, routes, interfaces, messages."""
# oslo.messaging has no types, and takes eventlet unless told otherwise beforehand.
# mypy: disable-error-code="import-untyped"

import collections
import ipaddress
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

import catalogue
from lab.control import Lab
from lab.openstack import configuration, fabric, parent, sites

with warnings.catch_warnings():  # of what OpenStack's libraries will drop
    warnings.simplefilter("ignore")
    parent.preload()

from oslo_messaging import MessagingTimeout, Target, TransportURL

from catalogue.errors import OutsideError
from lab.openstack import bus, credentials, management, observing, outside, plugging, wire


def test_labs_have_namespaces_of_their_own(tmp_path: Path) -> None:
    """Two labs on one machine share no name; one lab's parts keep apart."""
    names = {fabric.name(tmp_path / lab, part) for lab in "ab" for part in ("main", "world")}
    assert len(names) == 4
    main, backup = sites.load(tmp_path, 24000, hosts=True)
    assert not fabric.router_prefix(main).startswith(fabric.router_prefix(backup))
    assert fabric.router_prefix(main).startswith(fabric.space_of(main))


def test_management_network_is_private_and_the_lab_s_own(tmp_path: Path) -> None:
    """Two labs have different prefixes of fd00::/8, and interfaces whose names Linux takes."""
    homes = [tmp_path / lab for lab in "ab"]
    prefixes = {management.prefix(home) for home in homes}
    assert len(prefixes) == 2
    assert all(prefix.subnet_of(ipaddress.IPv6Network("fd00::/8")) for prefix in prefixes)
    assert all(len(management.interface(home)) <= 15 for home in homes)


def test_site_without_hosts_can_not_be_observed_from_within(tmp_path: Path) -> None:
    """Where no packet flows, the place is refused with what to do instead."""
    with pytest.raises(OutsideError, match="no packet flows"):
        observing.place(sites.load(tmp_path, 24000)[0])


def test_parties_outside_are_where_the_catalogue_has_them() -> None:
    """Administrators and the package mirror have addresses of their prefixes."""
    outside = {one.id: one.ipv6 for one in catalogue.load().city.outside}
    for party, address in (
        ("administrators", fabric.ADMINISTRATOR),
        ("package-mirror", fabric.MIRROR),
    ):
        assert any(ipaddress.ip_address(address) in prefix for prefix in outside[party])


@pytest.mark.parametrize("hosts", [True, False])
def test_site_is_configured_for_hosts_or_without(tmp_path: Path, *, hosts: bool) -> None:
    """With hosts, neutron has agents and nova waits for ports; without, neither."""
    site = sites.load(tmp_path, 24000, hosts=hosts)[0]
    credentials.make(site.home / sites.CREDENTIALS)
    for project in ("neutron", "nova"):
        configuration.write(site, project)
    neutron = (site.etc / "neutron/neutron.conf").read_text()
    nova = (site.etc / "nova/nova.conf").read_text()
    assert ("mechanism_drivers = openvswitch\n" in neutron) is hosts
    assert ("compute_driver = citydc_hosts.Driver\n" in nova) is hosts
    assert ("vif_plugging_timeout = 0\n" in nova) is not hosts
    agents = {path.stem for path in (site.etc / "neutron").glob("*.conf")} - {"neutron"}
    assert agents == ({"ovs", "l3"} if hosts else set())


def test_router_is_the_next_hop_of_what_is_behind_it() -> None:
    """Each IPv6 prefix behind a router is reached by its outer IPv6 address."""
    router = {
        "gw_port": {"fixed_ips": [{"ip_address": "198.51.100.9"}, {"ip_address": "2001:db8::9"}]},
        "_interfaces": [
            {"subnets": [{"cidr": "10.0.0.0/24"}]},
            {"subnets": [{"cidr": "2001:db8:1::/64"}, {"cidr": "2001:db8:2::/64"}]},
        ],
    }
    assert outside.routes(router) == {
        "2001:db8:1::/64": "2001:db8::9",
        "2001:db8:2::/64": "2001:db8::9",
    }


@pytest.mark.parametrize(
    "router", [{}, {"gw_port": None, "_interfaces": [{"subnets": [{"cidr": "2001:db8:1::/64"}]}]}]
)
def test_router_without_a_way_out_is_no_next_hop(router: dict[str, Any]) -> None:
    """A router that is not on the external network gets no routes."""
    assert outside.routes(router) == {}


def test_hosts_that_cannot_be_are_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root, a lab with hosts does not start; the message says what is missing."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("lab.packages.ensure", lambda *_: None)
    with pytest.raises(OutsideError, match="root") as told:
        Lab(tmp_path / "home", 24000, hosts=True).up()
    assert "CITYDC_LAB_HOSTS" in told.value.remedy


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> wire.Driver:
    """Give a driver that has joined this process's bus over a socket."""
    monkeypatch.setattr(bus, "exchanges", collections.defaultdict(bus.Exchange))
    wire.serve(tmp_path / "bus")
    config = cfg.ConfigOpts()
    url = TransportURL(config, "unixbus", str(tmp_path / "bus").lstrip("/"))
    return wire.Driver(config, url, "site")


def _answer(listener: Any) -> None:
    incoming = listener.poll()[0]
    incoming.reply({"got": incoming.message["args"]})


@pytest.mark.parametrize("there", [True, False])
def test_calls_pass_between_processes_both_ways(far: wire.Driver, *, there: bool) -> None:
    """A call over the socket is answered, whichever side listens."""
    near = bus.Driver(cfg.ConfigOpts(), None, "site")
    caller, called = (near, far) if there else (far, near)
    listener = called.listen(Target(topic="agent", server="one"), 1, None)._poll_style_listener
    thread = threading.Thread(target=_answer, args=(listener,))
    thread.start()
    target = Target(topic="agent", server="one")
    found = caller.send(target, {}, {"args": 5}, wait_for_reply=True, timeout=20)
    thread.join()
    assert found == {"got": 5}


def test_call_that_nobody_answers_times_out(far: wire.Driver) -> None:
    """The far side's caller is told as the near side's is."""
    with pytest.raises(MessagingTimeout):
        far.send(Target(topic="nobody"), {}, {}, wait_for_reply=True, timeout=0.1)


class Subnet(dict[str, Any]):
    """A subnet as nova shows it to its drivers."""

    def get_meta(self, key: str) -> Any:
        """Give what neutron adds."""
        return self["meta"].get(key)


def _vif(mode: str | None) -> dict[str, Any]:
    ipv4 = Subnet(
        cidr="10.0.0.0/26",
        ips=[{"address": "10.0.0.9"}],
        dns=[{"address": "10.0.0.53"}],
        gateway={"address": "10.0.0.1"},
        routes=[{"cidr": "10.254.0.0/16", "gateway": {"address": "10.0.0.2"}}],
        meta={},
    )
    ipv6 = Subnet(
        cidr="2001:db8:1::/64",
        ips=[{"address": "2001:db8:1::9"}],
        dns=[],
        gateway={"address": "2001:db8:1::1"},
        routes=[],
        meta={"ipv6_address_mode": mode},
    )
    network = {"subnets": [ipv4, ipv6], "meta": {"mtu": 1442}}
    return {"address": "fa:16:3e:00:00:01", "network": network}


def test_planned_addresses_are_written_and_the_route_is_advertised() -> None:
    """With DHCPv6's addresses the host has the planned one; its default route is advertised."""
    found = plugging.interface(_vif("dhcpv6-stateful"))
    assert found.addresses == ("10.0.0.9/26", "2001:db8:1::9/64")
    assert (found.gateways, found.advertised) == (("10.0.0.1",), True)
    assert (found.mtu, found.name_servers) == (1442, ("10.0.0.53",))
    assert [tuple(route) for route in found.routes] == [("10.254.0.0/16", "10.0.0.2")]


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_address_that_is_made_from_the_prefix_is_not_written(mode: str) -> None:
    """The host makes it itself from the advertisement."""
    found = plugging.interface(_vif(mode))
    assert (found.addresses, found.advertised) == (("10.0.0.9/26",), True)


def test_network_without_advertisements_has_its_gateway_written() -> None:
    """Nothing is advertised, so address and gateway are the host's own settings."""
    found = plugging.interface(_vif(None))
    assert found.gateways == ("10.0.0.1", "2001:db8:1::1")
    assert not found.advertised


@pytest.mark.parametrize(
    ("taken", "free"),
    [([], "eth0"), (["lo", "eth0"], "eth1"), (["eth1"], "eth0"), (["eth0", "eth1"], "eth2")],
)
def test_next_interface_has_the_first_free_name(taken: list[str], free: str) -> None:
    """A gap that a removed port left is filled."""
    assert plugging.free_name(taken) == free
