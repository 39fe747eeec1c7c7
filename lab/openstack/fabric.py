"""
A lab's physical networks, in network namespaces of its own.

    machine ── citydc-ID-world ──┬── citydc-ID-main    (switch, routers)
                                 │        │ across
                                 └── citydc-ID-backup  (switch, routers)

`world` is what lies outside the sites: the routers of their external networks, and the way out
through the machine.  A site's namespace holds its Open vSwitch with the bridges `br-ex` (external)
and `br-link` (the link between the sites), neutron's agents beside it, and its hosts' ports.
"""

import contextlib
import hashlib
import ipaddress
import shutil
from pathlib import Path

from lab import files
from lab.hosts import machine, registry, uplink
from lab.hosts.command import run, succeeds
from lab.openstack.sites import UPLINKS, Site

BRIDGES = {"external": "br-ex", "physnet1": "br-link"}  # by neutron's name of the network
PORTS = {"br-ex": "outside", "br-link": "across"}
SWITCHED = (*PORTS.values(), "tap")  # what the names of the switch's ports begin with
# What the sites' addresses are taken from (RFC 5737, RFC 3849): packets for what is not there
# go nowhere.
CITY = ("198.51.100.0/24", "2001:db8::/32")
# Outside parties, where the catalogue has them: from where administrators come, and where hosts
# find Debian's packages.
ADMINISTRATOR = "2001:db8:e002::1"
MIRROR = "2001:db8:e00a::1"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def name(home: Path, part: str) -> str:
    """Give the namespace of a part of the lab in `home`: a site or "world"."""
    return f"citydc-{hashlib.sha256(str(home).encode()).hexdigest()[:6]}-{part}"


def world_of(site: Site) -> str:
    """Give the namespace outside the site."""
    return name(site.home.parent, "world")


def space_of(site: Site) -> str:
    """Give the site's namespace."""
    return name(site.home.parent, site.name)


def router_prefix(site: Site) -> str:
    """Give what the names of its routers' namespaces begin with."""
    return f"{space_of(site)}.router-"


def part_of(site: Site, part: str) -> str:
    """Give the namespace of something that is plugged into the site's networks."""
    return f"{space_of(site)}-{part}"


def run_folder(site: Site) -> Path:
    """Give the folder of its sockets, whose names must be short."""
    return machine.REGISTRY / "run" / space_of(site)


def switch_database(site: Site) -> str:
    """Give where its Open vSwitch database answers."""
    return f"unix:{run_folder(site)}/db.sock"


def bus_socket(site: Site) -> Path:
    """Give where neutron's bus answers its agents."""
    return run_folder(site) / "bus.sock"


def vsctl(site: Site, *words: str | int) -> str:
    """Change the site's switch; give what is printed."""
    return run("ovs-vsctl", f"--db={switch_database(site)}", *words)


# --- what is outside ---


def make_world(home: Path) -> None:
    """Have what is outside the sites, with its way out; again is fine."""
    world = name(home, "world")
    if (machine.REGISTRY / world).exists():
        return
    registry.remove(world)
    machine.make_namespace(world)
    link = uplink.make(world)
    for address in (ADMINISTRATOR, MIRROR):
        run("ip", "-n", world, "address", "add", f"{address}/128", "dev", "lo", "nodad")
    for prefix in CITY:
        run("ip", "-n", world, *_family(prefix), "route", "add", "unreachable", prefix)
        # The machine reaches the hosts of the first lab; others have the same addresses.
        via = link.end(2)[ipaddress.ip_network(prefix).version == 6]  # noqa: PLR2004  (IPv6)
        succeeds("ip", *_family(prefix), "route", "add", prefix, "via", via)
    registry.register(world, belongs_to=home)


def is_reached(home: Path) -> bool:
    """Say whether the machine reaches the hosts of this lab without entering a namespace."""
    with contextlib.suppress(FileNotFoundError):
        world = (machine.REGISTRY / name(home, "world")).exists()
        prefix = ipaddress.ip_network(CITY[1])
        there = run("ip", "-6", "route", "get", str(prefix[1])).split()
        device = there[there.index("dev") + 1]
        mine = machine.inside(name(home, "world"), "cat", "/sys/class/net/uplink/iflink")
        return world and Path(f"/sys/class/net/{device}/ifindex").read_text() == mine
    return False


def _family(prefix: str) -> tuple[str, ...]:
    return ("-6",) if ":" in prefix else ()


# --- a site ---


def make_site(site: Site) -> None:
    """Have the site's namespace and its cables; again is fine."""
    space, world = space_of(site), world_of(site)
    files.make_folder(run_folder(site))
    if not (machine.REGISTRY / space).exists():
        registry.remove(space)
        machine.make_namespace(space)
        registry.register(space, belongs_to=site.home.parent)
    if not _has(space, "outside"):
        cable((world, site.name), (space, "outside"))
        for prefix in site.uplink:
            network = ipaddress.ip_network(prefix)
            nodad = ("nodad",) if network.version == 6 else ()  # noqa: PLR2004  (IPv6)
            own = f"{network[1]}/{network.prefixlen}"
            run("ip", "-n", world, "address", "replace", own, "dev", site.name, *nodad)
    for other in UPLINKS:
        far = name(site.home.parent, other)
        if other != site.name and (machine.REGISTRY / far).exists() and not _has(space, "across"):
            cable((far, "across"), (space, "across"))


def _has(space: str, interface: str) -> bool:
    return succeeds("ip", "-n", space, "link", "show", interface)


def cable(*ends: tuple[str, str], mtu: int = 1500, mac: str | None = None) -> None:
    """
    Join two namespaces by a cable: each end is (namespace, interface); `mac` is the second's.

    The switch reads raw frames, so none may leave its sender with half a checksum; and its own
    ports have no addresses to speak from.
    """
    (near, here), (far, there) = ends
    address = ("address", mac) if mac else ()
    run(
        *("ip", "link", "add", "name", here, "netns", near, "mtu", mtu, "type", "veth"),
        *("peer", "name", there, "netns", far, *address, "mtu", mtu),
    )
    for space, interface in ends:
        machine.inside(space, "ethtool", "-K", interface, "tx", "off")
        if interface.startswith(SWITCHED):
            key = f"net.ipv6.conf.{interface}.disable_ipv6"
            machine.inside(space, "sysctl", "-qw", f"{key}=1")
        run("ip", "-n", space, "link", "set", interface, "up")


def remove_site(site: Site) -> None:
    """Cut the site off and remove its namespaces; what runs in them ends."""
    remove_routers(site)
    for path in machine.NAMESPACES.glob(part_of(site, "*")):
        remove_space(path.name)
    remove_space(space_of(site))
    shutil.rmtree(run_folder(site), ignore_errors=True)


def remove_routers(site: Site) -> None:
    """Remove the routers' namespaces; neutron's agent makes them anew."""
    for path in machine.NAMESPACES.glob(f"{router_prefix(site)}*"):
        machine.empty_namespace(path.name)
        machine.delete_namespace(path.name)


def remove_space(space: str) -> None:
    """Remove a namespace; what runs in it ends."""
    if (machine.NAMESPACES / space).exists():
        machine.empty_namespace(space)
    registry.remove(space)


def remove_world(home: Path) -> None:
    """Remove what is outside, with its way out."""
    registry.remove(name(home, "world"))


# --- the switch ---


def switch_commands(site: Site) -> tuple[list[str], list[str]]:
    """Give the commands of the site's switch: its database's server, then itself."""
    return (
        ["ovsdb-server", str(_database(site)), f"--remote=p{switch_database(site)}"],
        ["ovs-vswitchd", switch_database(site), "--disable-system"],
    )


def _database(site: Site) -> Path:
    return run_folder(site) / "switch.db"


def make_switch_database(site: Site) -> None:
    """Have the switch's database; one of before in this namespace knows its ports."""
    (run_folder(site) / "db.sock").unlink(missing_ok=True)
    if not _database(site).exists():
        run("ovsdb-tool", "create", _database(site), SCHEMA)


def make_bridges(site: Site) -> None:
    """Have the bridges that neutron's agent expects, each with its cable."""
    vsctl(site, "--no-wait", "init")
    # The switch tries ever more seldom to reach the last agent's controller; so it gets none.
    # Its routers' ports went with the switch that had made them.
    for bridge in vsctl(site, "list-br").split():
        vsctl(site, "--no-wait", "del-controller", bridge)
        for port in vsctl(site, "list-ports", bridge).split():
            if port.startswith(("qr-", "qg-")):
                vsctl(site, "--no-wait", "del-port", port)
    for bridge, port in PORTS.items():
        vsctl(
            site,
            *("--no-wait", "--may-exist", "add-br", bridge, "--", "set", "bridge", bridge),
            *("datapath_type=netdev", "--", "--may-exist", "add-port", bridge, port),
        )
