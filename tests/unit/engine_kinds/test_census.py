"""What a census takes of a cloud, what it leaves, and when it takes nothing at all."""

import base64
import socket
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from scripted_cloud import ScriptedCloud

from catalogue.errors import BadInputError, OutsideError
from lab.engine import census
from lab.engine.census import Reach, Thing, types
from lab.engine.cloud import ApiError, Cloud, Reason

OURS, OPERATORS, THEIRS = "ours", "p", "theirs"
NETWORK_ID, GROUP_ID, ROUTER_ID = "net", "group", "router"
KNOWN = {
    (types.PROJECT, OURS): {"name": "trade"},
    (types.NETWORK, NETWORK_ID): {"name": "shop"},
}


class WholeCloud(ScriptedCloud):
    """Answers each path with what `answers` has for it, else with an empty list."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Any] = {}
        self.single: dict[str, Any] = {}
        self.statuses: dict[str, int] = {}
        self.role = "admin"

    def _scripted(self, method: str, path: str, body: Any, headers: Any) -> tuple[int, Any, Any]:
        del method, body, headers
        place = urllib.parse.urlsplit(path).path
        if place in self.statuses:
            return self.statuses[place], {"error": {"message": "no"}}, {}
        if place in self.single:
            return 200, self.single[place], {}
        if place.startswith("/objects"):
            return 200, [], {}
        word = place.removesuffix("/detail").rpartition("/")[2].removeprefix("os-")
        return 200, {word.replace("-", "_"): self.answers.get(word, [])}, {}

    def _token(self) -> dict[str, Any]:
        return {**super()._token(), "roles": [{"id": "r1", "name": self.role}]}


@pytest.fixture
def whole() -> Iterator[WholeCloud]:
    """Give a cloud with a network of the city's, one of another project, and the external one."""
    server = WholeCloud()
    server.answers = {
        "projects": [{"id": OURS, "name": "trade", "domain_id": "default", "parent_id": "default"}],
        "networks": [
            network(NETWORK_ID, OURS, "shop"),
            network("other", THEIRS, "theirs"),
            network("outside", OPERATORS, "external") | {"router:external": True},
        ],
    }
    with server.running():
        yield server


def network(id_: str, project: str, name: str) -> dict[str, Any]:
    """Return a network as neutron tells it."""
    return {"id": id_, "project_id": project, "name": name, "tags": [], "shared": False}


def port(id_: str, **more: Any) -> dict[str, Any]:
    """Return a port on the city's network as neutron tells it."""
    return {
        "id": id_,
        "name": id_,
        "project_id": OURS,
        "network_id": NETWORK_ID,
        "device_owner": "",
        "device_id": "",
        "security_groups": [],
        "fixed_ips": [],
        "tags": [],
        **more,
    }


def rule(id_: str, group: str, **more: Any) -> dict[str, Any]:
    """Return a rule as neutron tells it: what is not given is null."""
    names = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
    return {
        "id": id_,
        "security_group_id": group,
        "project_id": OURS,
        "direction": "ingress",
        "ethertype": "IPv4",
        **dict.fromkeys(names),
        **more,
    }


def taken(server: WholeCloud, known: dict[tuple[str, str], Any] | None = None) -> list[Thing]:
    """Return what the census takes."""
    cloud = server.cloud()
    reach = Reach(cloud, lambda _: cloud, "external", {"dns"})
    return census.take(reach, KNOWN if known is None else known)


def names(things: list[Thing], type_: str) -> set[str]:
    """Return the ids of the things of a type."""
    return {one.id for one in things if one.type == type_}


def test_others_and_the_external_network_are_left(whole: WholeCloud) -> None:
    """The city's is what is in its projects."""
    assert names(taken(whole), types.NETWORK) == {NETWORK_ID}


def test_what_the_cloud_makes_by_itself_is_left(whole: WholeCloud) -> None:
    """Ports of DHCP, balancers and observers; but not one that only says that it is theirs."""
    whole.answers["loadbalancers"] = [
        {"id": "lb", "project_id": THEIRS, "vip_port_id": "vip", "vip_network_id": "x",
         "provider": "other"},
    ]  # fmt: skip
    whole.answers["ports"] = [
        port("dhcp", device_owner="network:dhcp", device_id=f"dhcp-1-{NETWORK_ID}"),
        port("liar", device_owner="network:dhcp", device_id="server"),
        port("observer", device_owner="citydc:observer", project_id=OPERATORS),
        port("other-liar", device_owner="citydc:observer"),
        port("vip", project_id=THEIRS),
        port("guest", project_id=THEIRS),
        port("elsewhere", project_id=THEIRS, network_id="other"),
    ]
    assert names(taken(whole), types.PORT) == {"liar", "other-liar", "guest"}


def test_a_default_group_counts_from_when_somebody_uses_it(whole: WholeCloud) -> None:
    """As neutron makes it, it is left alone; what was added is not, nor is one with a port."""
    whole.answers["security-groups"] = [
        {"id": GROUP_ID, "name": "default", "project_id": OURS, "tags": []}
    ]
    whole.answers["security-group-rules"] = [
        rule("own", GROUP_ID, remote_group_id=GROUP_ID),
        rule("out", GROUP_ID, direction="egress"),
        rule("added", GROUP_ID, protocol="tcp"),
    ]
    found = taken(whole)
    assert names(found, types.GROUP) == set()
    assert names(found, types.RULE) == {"added"}
    whole.answers["ports"] = [port("p1", security_groups=[GROUP_ID])]
    found = taken(whole)
    assert names(found, types.GROUP) == {GROUP_ID}
    assert names(found, types.RULE) == {"own", "out", "added"}


def test_null_is_not_zero(whole: WholeCloud) -> None:
    """ICMP of every type does not become ICMP of type 0."""
    whole.answers["security-groups"] = [{"id": GROUP_ID, "name": "g", "project_id": OURS}]
    whole.answers["security-group-rules"] = [rule("r", GROUP_ID, protocol="icmp")]
    (found,) = [one for one in taken(whole) if one.type == types.RULE]
    assert found.inputs["protocol"] == "icmp"
    assert "portRangeMin" not in found.inputs


def test_a_server_tells_all_that_it_is(whole: WholeCloud) -> None:
    """Metadata that no program gave, user data in the clear, the disk that it boots from."""
    whole.answers["servers"] = [
        {
            "id": "s1",
            "name": "web",
            "tenant_id": OURS,
            "status": "ACTIVE",
            "created": "2026-01-01T00:00:00Z",
            "updated": "2026-01-01T00:00:00Z",
            "flavor": {"id": "f"},
            "image": "",
            "metadata": {"password": "hunter2"},
            "config_drive": "",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "OS-EXT-SRV-ATTR:user_data": base64.b64encode(b"token: x").decode(),
            "os-extended-volumes:volumes_attached": [
                {"id": "v1", "delete_on_termination": True},
                {"id": "v2", "delete_on_termination": False},
            ],
        }
    ]
    whole.answers["volumes"] = [
        {
            "id": one,
            "name": one,
            "os-vol-tenant-attr:tenant_id": OURS,
            "metadata": {},
            "attachments": [
                {"attachment_id": one, "server_id": "s1", "volume_id": one, "device": device}
            ],
        }
        for one, device in (("v1", "/dev/vda"), ("v2", "/dev/vdb"))
    ]
    known = {**KNOWN, (types.SERVER, "s1"): {"metadata": {"agency": "trade"}, "adminPass": "x"}}
    found = taken(whole, known)
    (server,) = [one.inputs for one in found if one.type == types.SERVER]
    assert server["metadata"] == {"password": "hunter2"}
    assert server["userData"] == "token: x"
    assert server["adminPass"] == "x"
    assert server["configDrive"] is False
    assert [(one["uuid"], one["deleteOnTermination"]) for one in server["blockDevices"]] == [
        ("v1", True)
    ]
    assert names(found, types.ATTACHMENT) == {"s1/v2"}


def test_credentials_without_the_role_see_nothing(whole: WholeCloud) -> None:
    """A cloud answers a member too, but with one project's objects alone."""
    whole.role = "member"
    with pytest.raises(BadInputError, match="admin"):
        taken(whole)


@pytest.mark.parametrize("path", ["/network/v2.0/ports", "/dns/v2/zones", "/keys/v1/secrets"])
@pytest.mark.parametrize(("status", "reason"), [(403, Reason.FORBIDDEN), (500, Reason.BROKEN)])
def test_a_list_that_is_refused_or_fails_ends_the_census(
    whole: WholeCloud, path: str, status: int, reason: Reason
) -> None:
    """No answer is taken for an empty one."""
    whole.statuses[path] = status
    with pytest.raises(ApiError) as caught:
        taken(whole)
    assert caught.value.reason is reason


def test_a_list_without_what_is_there_is_refused(whole: WholeCloud) -> None:
    """An object that the state knows is asked for by itself: if it is there, the list lies."""
    hidden = network("hidden", OURS, "hidden")
    whole.single["/network/v2.0/networks/hidden"] = {"network": hidden}
    with pytest.raises(OutsideError, match="not whole"):
        taken(whole, {**KNOWN, (types.NETWORK, "hidden"): {}})


def test_what_is_gone_is_left_out(whole: WholeCloud) -> None:
    """An object that the state knows and the cloud does not have any more."""
    whole.statuses["/network/v2.0/networks/gone"] = 404
    known = {**KNOWN, (types.NETWORK, "gone"): {}}
    assert names(taken(whole, known), types.NETWORK) == {NETWORK_ID}


def test_a_type_that_nobody_can_read_is_refused(whole: WholeCloud) -> None:
    """What cannot be read cannot be judged."""
    with pytest.raises(BadInputError, match="vpnaas"):
        taken(whole, {**KNOWN, ("openstack:vpnaas/service:Service", "v"): {}})


def test_a_cloud_that_takes_the_call_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the time that an answer may take."""
    monkeypatch.setattr("lab.engine.cloud._PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v3"
        settings = {"authUrl": url, "userName": "u", "password": "x", "tenantName": "p"}
        cloud = Cloud({**settings, "userDomainId": "d", "projectDomainId": "d"})
        with pytest.raises(ApiError) as caught:
            census.take(Reach(cloud, lambda _: cloud, "external", ()), KNOWN)
    assert caught.value.reason is Reason.UNREACHABLE
