"""A stack of a Pulumi program on an OpenStack in memory, and parts of programs."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memory_cloud import MemoryCloud, MemoryConnection

from catalogue.errors import CityDCError
from lab.engine import Engine, Quiet, Result

HEAD = """
import pulumi
import pulumi_openstack as osp
from pulumi import ResourceOptions as Opts

site = osp.Provider("site", auth_url="http://x", password=pulumi.Output.secret("hush"), region="r")
here = Opts(provider=site)
"""
NET = 'net = osp.networking.Network("net", name="net", mtu=1400, opts=here)\n'
SUB = (
    'sub = osp.networking.Subnet("sub", name="sub", network_id=net.id, ip_version=6,'
    ' cidr="fd00::/64", opts=here)\n'
)
GROUP = (
    'group = osp.networking.SecGroup("group", name="group", delete_default_rules=True, opts=here)\n'
)
RULE = (
    'rule = osp.networking.SecGroupRule("rule", direction="ingress", ethertype="IPv6",'
    ' protocol="tcp", port_range_min=22, port_range_max=22, remote_ip_prefix="fd00::/64",'
    " security_group_id=group.id, opts=here)\n"
)
PORT = (
    'port = osp.networking.Port("port", name="port", network_id=net.id, tags=["a", "b"],'
    ' fixed_ips=[{"subnet_id": sub.id}], security_group_ids=[group.id], opts=here)\n'
)
VOLUME = 'vol = osp.blockstorage.Volume("vol", name="vol", size=1, opts=here)\n'


class Heard(Quiet):
    """A listener that remembers."""

    def __init__(self) -> None:
        self.logs: list[str] = []
        self.done: list[str] = []
        self.errors: list[CityDCError] = []

    def step_done(self, op: Any, urn: str, seconds: float) -> None:
        """Remember a step."""
        del seconds
        self.done.append(f"{op} {urn.rsplit('::', 1)[1]}")

    def error(self, error: CityDCError) -> None:
        """Remember an error."""
        self.errors.append(error)

    def log(self, message: str) -> None:
        """Remember a message."""
        self.logs.append(message)


class Stack:
    """A project folder, a state folder and a cloud."""

    def __init__(self, folder: Path, name: str = "dev", cloud: MemoryCloud | None = None) -> None:
        self.folder, self.name = folder, name
        self.cloud = cloud or MemoryCloud()
        self.heard = Heard()
        self.settings: list[Mapping[str, Any]] = []  # of the providers that were connected
        self.hook: Callable[[str, str, str], None] | None = None  # see MemoryConnection
        self.program = folder / "__main__.py"
        self.backend = folder / "state"
        self.state_file = self.backend / ".pulumi" / "stacks" / "t" / f"{name}.json"
        (folder / "Pulumi.yaml").write_text("name: t\nruntime: python\n")

    def write(self, *parts: str) -> "Stack":
        """Write the program."""
        self.program.write_text(HEAD + "".join(map(textwrap.dedent, parts)))
        return self

    def engine(self, **more: Any) -> Engine:
        """Give an engine for it."""
        more = {"passphrase": "pass", "listener": self.heard, **more}
        engine = Engine(self.folder, self.name, self.backend.as_uri(), **more)
        engine.make_cloud = self._connect
        return engine

    def _connect(self, settings: Mapping[str, Any]) -> MemoryConnection:
        self.settings.append(settings)
        return MemoryConnection(settings, self.cloud, hook=self.hook)

    def deploy(self, *parts: str) -> Result:
        """Deploy a program that must succeed."""
        result = self.write(*parts).engine().deploy()
        assert not result.errors, "\n".join(map(str, result.errors))
        return result

    def preview(self, *parts: str) -> Result:
        """Preview a program that must succeed."""
        result = self.write(*parts).engine().preview()
        assert not result.errors, "\n".join(map(str, result.errors))
        return result


def ops(result: Result) -> list[str]:
    """Give "op name" of all that is not the same, in order of their names."""
    return sorted(
        f"{one.op} {one.urn.rsplit('::', 1)[1]}"
        for one in result.resources
        if "pulumi:p" not in one.urn.rsplit("::", 2)[1]
    )
