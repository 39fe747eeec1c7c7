"""A city of five services and two sites, small enough to know by heart."""

from typing import Any

from catalogue.model import Catalogue, City, Factors, Service, Site, Targets

NAME = {"vi": "Tên", "en": "Name"}
SOURCE = {"document": "1/KH", "date": "2025-01-01", "confidence": "official"}
EVERYTHING = [
    "load-balancer",
    "dns",
    "object-storage",
    "key-manager",
    "encrypted-volumes",
    "vlan-networks",
]


def small_city(
    *,
    services: list[Service] | None = None,
    sites: list[Site] | None = None,
    watchers: list[str] | None = None,
) -> Catalogue:
    """Return the city, with other services or sites if given, and who watches it."""
    return Catalogue(
        city=city().model_copy(update={"watchers": watchers or []}),
        sites={one.id: one for one in sites or [main(), backup()]},
        services={one.id: one for one in services or all_services()},
        targets=Targets(targets=[]),
        factors=Factors(factors=[]),
    )


def city() -> City:
    """Return the city: two agencies, citizens, a mirror, SSH from the bastion."""
    return City.model_validate(
        {
            "id": "city",
            "name": NAME,
            "domain": "dc.example.",
            "plan": SOURCE,
            "agencies": [
                {"id": "trade", "number": 1, "name": NAME},
                {"id": "police", "number": 2, "name": NAME},
            ],
            "outside": [
                {"id": "citizens", "name": NAME, "ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]},
                {
                    "id": "mirror",
                    "name": NAME,
                    "ipv4": ["172.16.0.0/24", "172.17.0.0/24"],
                    "ipv6": ["2001:db8:aaaa::/64"],
                },
            ],
            "recovery": [
                _class("active", 1, data=True),
                _class("warm-standby", 0.5, data=True),
                _class("pilot-light", 0, data=True),
                _class("backup-only", 0, data=False),
            ],
            "listens": [{"id": "ssh", "port": 22, "from": ["ops/bastion"]}],
            "calls": [{"to": "mirror", "port": 443}],
        }
    )


def _class(tier: str, servers: float, *, data: bool) -> dict[str, Any]:
    return {
        "tier": tier,
        "name": NAME,
        "servers": servers,
        "data": data,
        "rto_minutes": 1,
        "rpo_minutes": 0,
    }


def all_services() -> list[Service]:
    """Return shop (active), desk (warm), files (pilot light), lab (backup only), ops (active)."""
    return [
        service(
            "shop",
            1,
            "trade",
            "active",
            components=[
                component(
                    "web",
                    0,
                    3,
                    listens=[listen("https", 443, ["citizens", "desk/app"])],
                    load_balancer={"listen": "https", "public": True},
                ),
                component(
                    "app",
                    1,
                    2,
                    listens=[listen("api", 8443, ["web", "desk/app", "desk/jobs"])],
                    volumes=[{"id": "cache", "size_gib": {"production": 10, "lab": 1}}],
                ),
            ],
            databases=[database("store", 8, ["web", "app"])],
            buckets=[{"id": "shop-media", "quota_gib": {"production": 7, "lab": 1}}],
            dns=[{"name": "shop", "target": "web"}, {"name": "shop-store", "target": "store"}],
        ),
        service(
            "desk",
            2,
            "police",
            "warm-standby",
            components=[
                component("app", 2, 4, calls=[{"to": "mirror", "port": 8080}]),
                component("jobs", 3, 3),
            ],
        ),
        service(
            "files",
            3,
            "police",
            "pilot-light",
            components=[
                component(
                    "app",
                    0,
                    2,
                    listens=[listen("https", 443, ["desk/app"])],
                    volumes=[{"id": "data", "size_gib": {"production": 5, "lab": 1}}],
                )
            ],
            databases=[database("index", 8, ["app"])],
        ),
        service("lab", 4, "trade", "backup-only", components=[component("app", 0, 2)]),
        service(
            "ops",
            15,
            "trade",
            "active",
            components=[
                component("bastion", 0, 1, tier="bastion"),
                component("dns", 1, 2, listens=[listen("dns", 53, ["all"], protocol="udp")]),
            ],
        ),
    ]


def service(id_: str, number: int, agency: str, tier: str, **more: Any) -> Service:
    """Return a service with these parts."""
    return Service.model_validate(
        {
            "id": id_,
            "number": number,
            "name": NAME,
            "cite": "1/KH II",
            "agency": agency,
            "security_level": 3,
            "personal_data": False,
            "recovery": {"tier": tier, "rto_minutes": 60, "rpo_minutes": 60},
            "availability": 99.9,
            "growth": 0.1,
            **more,
        }
    )


def component(id_: str, number: int, production: int, **more: Any) -> dict[str, Any]:
    """Return a component; in the lab it has one server."""
    return {
        "id": id_,
        "number": number,
        "tier": "application",
        "flavor": "small",
        "image": "debian",
        "count": {"production": production, "lab": min(production, 1)},
        **more,
    }


def database(id_: str, number: int, callers: list[str]) -> dict[str, Any]:
    """Return a database with one standby; in the lab with none."""
    return {
        "id": id_,
        "number": number,
        "engine": "postgresql",
        "version": "15",
        "flavor": "small",
        "image": "debian",
        "primary": {"production": 1, "lab": 1},
        "standbys": {"production": 1, "lab": 0},
        "size_gib": {"production": 100, "lab": 1},
        "port": 5432,
        "from": callers,
    }


def listen(id_: str, port: int, callers: list[str], protocol: str = "tcp") -> dict[str, Any]:
    """Return a port that these call."""
    return {"id": id_, "port": port, "protocol": protocol, "from": callers}


def main(**more: Any) -> Site:
    """Return the primary site."""
    return _site("main", 1, {"role": "primary", **more})


def backup(**more: Any) -> Site:
    """Return the standby site."""
    return _site("backup", 2, {"role": "standby", "stands_in_for": "main", **more})


def third(**more: Any) -> Site:
    """Return a further standby site."""
    return _site("third", 3, {"role": "standby", "stands_in_for": "main", **more})


def _site(id_: str, number: int, more: dict[str, Any]) -> Site:
    return Site.model_validate(
        {
            "id": id_,
            "number": number,
            "name": NAME,
            "cite": "1/KH II",
            "cloud": id_,
            "region": id_,
            "zones": ["az1", "az2"],
            "capabilities": EVERYTHING,
            "external_network": "external",
            "volume_type": "standard",
            "encrypted_volume_type": "luks",
            "ipv4": f"10.{number}.0.0/16",
            "ipv6": f"2001:db8:{number}::/48",
            "link": {
                "physical_network": "physnet1",
                "vlan": 30,
                "ipv4": "10.254.0.0/16",
                "ipv6": "fd58::/64",
            },
            "name_servers": ["198.51.100.53", "2001:db8:53::53"],
            "public_key": "ssh-ed25519 AAAA operations",
            "images": [
                {
                    "id": "debian",
                    "name": "Debian",
                    "source": {"production": "https://p.example/i", "lab": "http://l.example/i"},
                    "min_disk_gib": 20,
                    "user": "debian",
                }
            ],
            "flavors": [{"id": "small", "vcpus": 2, "ram_mib": 4096}],
            "racks": [],
            "meters": [],
            "water": {"supply": "none", "cooling": "air"},
            **more,
        }
    )
