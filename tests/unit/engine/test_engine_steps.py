"""What changes of a program do to the cloud."""

import pytest
from engine_stack import GROUP, HEAD, NET, PORT, RULE, SUB, VOLUME, Stack, ops


def test_deploying_creates_updates_replaces_and_deletes(stack: Stack) -> None:
    """A program's edits become the steps that they need, and no edit none."""
    assert ops(stack.deploy(NET, SUB)) == ["create net", "create sub"]
    stack.cloud.log.clear()
    again = stack.deploy(NET, SUB)
    assert not again.changed
    assert again.changes == {"create": 0, "update": 0, "replace": 0, "delete": 0, "same": 4}
    assert stack.cloud.changes == []
    assert ops(stack.deploy(NET.replace("1400", "1500"), SUB)) == ["update net"]
    assert stack.cloud.only("networks")["mtu"] == 1500
    assert ops(stack.deploy(NET, SUB.replace("fd00::", "fd01::"))) == ["replace sub", "update net"]
    assert ops(stack.deploy(NET)) == ["delete sub"]
    assert ops(stack.deploy("")) == ["delete net"]
    assert stack.cloud.all("networks") == []


def test_preview_tells_the_same_and_touches_nothing(stack: Stack) -> None:
    """A preview has the deployment's steps; neither cloud nor state are touched."""
    assert ops(stack.preview(NET, SUB)) == ["create net", "create sub"]
    assert not stack.backend.exists()
    stack.deploy(NET, SUB)
    before = stack.state_file.read_bytes()
    stack.cloud.log.clear()
    assert ops(stack.preview(NET.replace("1400", "9000"))) == ["delete sub", "update net"]
    assert stack.cloud.log == []
    assert stack.state_file.read_bytes() == before


def test_replacing_what_others_cannot_outlive_replaces_them_too(stack: Stack) -> None:
    """A named network is deleted before it is made anew, and its subnet before it."""
    stack.deploy(NET, SUB)
    stack.cloud.log.clear()
    edited = NET.replace("mtu=1400", 'mtu=1400, availability_zone_hints=["az1"]')
    assert ops(stack.preview(edited, SUB)) == ["replace net", "replace sub"]
    assert ops(stack.deploy(edited, SUB)) == ["replace net", "replace sub"]
    assert [line.split("-")[0] for line in stack.cloud.changes] == [
        "DELETE /subnets/subnet",
        "DELETE /networks/network",
        "POST /networks",
        "POST /subnets",
    ]


def test_autonamed_resources_are_replaced_before_they_are_deleted(stack: Stack) -> None:
    """Without a name of the program's own there is room for both for a while."""
    volume = VOLUME.replace('name="vol", ', "")
    stack.deploy(volume)
    stack.cloud.log.clear()
    first = stack.cloud.only("volumes")["name"]
    assert first.startswith("vol-")
    stack.deploy(volume.replace("size=1", 'size=1, snapshot_id="s1"'))
    assert [line.split("/")[0] for line in stack.cloud.changes] == ["POST ", "DELETE "]


def test_delete_before_replace_is_obeyed(stack: Stack) -> None:
    """The option turns the order of a replacement around."""
    volume = VOLUME.replace('name="vol", ', "").replace(
        "opts=here", "opts=Opts(provider=site, delete_before_replace=True)"
    )
    stack.deploy(volume)
    stack.cloud.log.clear()
    stack.deploy(volume.replace("size=1", 'size=1, snapshot_id="s1"'))
    assert [line.split("/")[0] for line in stack.cloud.changes] == ["DELETE ", "POST "]


def test_ignored_changes_stay_as_they_are(stack: Stack) -> None:
    """A property in ignore_changes keeps its value in the cloud."""
    ignoring = NET.replace("opts=here", 'opts=Opts(provider=site, ignore_changes=["mtu"])')
    stack.deploy(ignoring)
    assert not stack.deploy(ignoring.replace("1400", "1500")).changed
    assert stack.cloud.only("networks")["mtu"] == 1400


def test_what_is_gone_keeps_nothing_that_is_ignored(stack: Stack) -> None:
    """A resource that somebody deleted is made anew as the program has it now."""
    ignoring = NET.replace("opts=here", 'opts=Opts(provider=site, ignore_changes=["mtu"])')
    stack.deploy(ignoring)
    stack.cloud.objects["networks"].clear()
    stack.deploy(ignoring.replace("1400", "1500"))
    assert stack.cloud.only("networks")["mtu"] == 1500


def test_replace_on_changes_replaces(stack: Stack) -> None:
    """A property in replace_on_changes replaces what an update would do for."""
    eager = NET.replace("opts=here", 'opts=Opts(provider=site, replace_on_changes=["mtu"])')
    stack.deploy(eager)
    assert ops(stack.deploy(eager.replace("1400", "1500"))) == ["replace net"]


@pytest.mark.parametrize("edit", ["", NET.replace("mtu=1400", 'availability_zone_hints=["a"]')])
def test_protected_resources_are_neither_deleted_nor_replaced(stack: Stack, edit: str) -> None:
    """Both are refused, naming the resource, and nothing is changed."""
    option = ("opts=here", "opts=Opts(provider=site, protect=True)")
    stack.deploy(NET.replace(*option), VOLUME)
    stack.cloud.log.clear()
    (error,) = stack.write(edit.replace(*option)).engine().deploy().errors
    assert "protected" in error.what
    assert "Network net" in error.what
    assert error.exit_code == 2
    assert stack.cloud.log == []


def test_destroy_refuses_protected_resources_before_anything_is_deleted(stack: Stack) -> None:
    """One protected resource keeps all of the stack."""
    stack.deploy(NET.replace("opts=here", "opts=Opts(provider=site, protect=True)"), SUB, VOLUME)
    stack.cloud.log.clear()
    (error,) = stack.engine().destroy().errors
    assert "Network net" in error.what
    assert stack.cloud.changes == []


def test_destroy_deletes_all_dependents_first(stack: Stack) -> None:
    """The cloud is empty after it, and refused no delete."""
    stack.deploy(NET, SUB, GROUP, RULE, PORT, VOLUME)
    stack.cloud.log.clear()
    result = stack.engine().destroy()
    assert result.errors == []
    assert result.changes["delete"] == 8
    assert not any(map(stack.cloud.all, stack.cloud.objects))
    paths = [line.split("/")[1] for line in stack.cloud.changes]
    assert paths.index("ports") < paths.index("subnets") < paths.index("networks")
    assert stack.engine().export_state()["deployment"]["resources"] == []


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [("network=2", "network=1", 1), ("network=-1", "network=1", 1), ("port=1", "port=2", 1),
     ("network=2, port=1", "network=1, port=2", 2)],
)  # fmt: skip
def test_quotas_shrink_after_what_used_them_is_deleted(
    stack: Stack, old: str, new: str, asked: int
) -> None:
    """A limit that falls is asked for last, one that rises at once, and both only once."""
    stack.cloud.objects["quotas"]["p"] = {}
    quota = 'osp.networking.QuotaV2("quota", project_id="p", {}, opts=here)\n'
    stack.deploy(quota.replace("{}", old), VOLUME)
    stack.cloud.log.clear()
    assert ops(stack.deploy(quota.replace("{}", new))) == ["delete vol", "update quota"]
    shrinks = "network" in new
    assert stack.cloud.changes.count("PUT /quotas/p") == asked
    assert stack.cloud.changes[-1].startswith("PUT" if shrinks else "DELETE")
    wanted = {key: int(value) for key, value in (one.split("=") for one in new.split(", "))}
    assert wanted.items() <= stack.cloud.objects["quotas"]["p"].items()
    assert not stack.deploy(quota.replace("{}", new)).changed


def test_quota_waits_for_the_next_deploy_when_a_deletion_fails(stack: Stack) -> None:
    """It stays as high as what is still there needs, and the next deploy lowers it."""
    stack.cloud.objects["quotas"]["p"] = {}
    quota = 'osp.networking.QuotaV2("quota", project_id="p", network={}, opts=here)\n'
    stack.deploy(quota.replace("{}", "2"), VOLUME)
    stack.cloud.refuse["DELETE /volumes/*"] = (403, "no")
    assert stack.write(quota.replace("{}", "1")).engine().deploy().errors
    assert stack.cloud.objects["quotas"]["p"]["network"] == 2
    stack.cloud.refuse.clear()
    assert ops(stack.deploy(quota.replace("{}", "1"))) == ["delete vol", "update quota"]
    assert stack.cloud.objects["quotas"]["p"]["network"] == 1


def test_retained_resources_leave_the_state_only(stack: Stack) -> None:
    """With retain_on_delete the object stays in the cloud."""
    stack.deploy(NET.replace("opts=here", "opts=Opts(provider=site, retain_on_delete=True)"))
    assert ops(stack.deploy("")) == ["delete net"]
    assert len(stack.cloud.all("networks")) == 1


def test_what_goes_with_another_is_not_deleted_itself(stack: Stack) -> None:
    """With deleted_with, no call deletes it when the other goes too."""
    stack.deploy(GROUP, RULE.replace("opts=here", "opts=Opts(provider=site, deleted_with=group)"))
    stack.cloud.log.clear()
    assert ops(stack.deploy("")) == ["delete group", "delete rule"]
    assert [line.split("/")[1] for line in stack.cloud.changes] == ["security-groups"]


def test_an_object_is_imported_when_it_is_what_the_program_says(stack: Stack) -> None:
    """Importing creates nothing, and refuses what differs."""
    _, made = stack.cloud.answer("POST", "/networks", {}, {"network": {"name": "net", "mtu": 1400}})
    ident = made["network"]["id"]
    adopting = NET.replace("opts=here", f'opts=Opts(provider=site, import_="{ident}")')
    refused = stack.write(adopting.replace("1400", "9000")).engine().deploy()
    assert "mtu" in refused.errors[0].why
    stack.deploy(adopting)
    assert len(stack.cloud.all("networks")) == 1
    assert not stack.deploy(NET).changed


def test_existing_objects_can_be_looked_up(stack: Stack) -> None:
    """A resource's get() reads an object, which the stack neither makes nor deletes."""
    _, made = stack.cloud.answer("POST", "/networks", {}, {"network": {"name": "x", "mtu": 1400}})
    ident = made["network"]["id"]
    getting = f'net = osp.networking.Network.get("net", "{ident}", opts=here)\n'
    result = stack.deploy(getting, SUB, 'pulumi.export("mtu", net.mtu)\n')
    assert result.outputs == {"mtu": 1400}
    assert stack.cloud.only("subnets")["network_id"] == ident
    assert not stack.deploy(getting, SUB, 'pulumi.export("mtu", net.mtu)\n').changed
    assert stack.engine().destroy().errors == []
    assert len(stack.cloud.all("networks")) == 1


def test_data_sources_are_asked_with_known_arguments_only(stack: Stack) -> None:
    """A data source's result flows on; while its argument is unknown, so is the result."""
    asking = """
    found = osp.networking.get_network_output(
        name=net.name.apply(lambda n: n), opts=pulumi.InvokeOptions(provider=site))
    pulumi.export("found", found.id)
    pulumi.export("later", osp.networking.get_network_output(
        network_id=net.id, opts=pulumi.InvokeOptions(provider=site)).name)
    """
    stack.deploy(NET)
    result = stack.deploy(NET, asking)
    assert result.outputs == {"found": stack.cloud.only("networks")["id"], "later": "net"}


def test_a_first_preview_leaves_data_sources_of_new_objects_unknown(stack: Stack) -> None:
    """An argument that only the deployment can tell makes the result unknown, not wrong."""
    asking = """
    later = osp.networking.get_network_output(
        network_id=net.id, opts=pulumi.InvokeOptions(provider=site))
    sub = osp.networking.Subnet("sub", network_id=later.id, ip_version=6, cidr="fd00::/64",
        opts=here)
    """
    assert ops(stack.preview(NET, asking)) == ["create net", "create sub"]
    assert ops(stack.deploy(NET, asking)) == ["create net", "create sub"]


def test_resources_without_a_provider_get_the_default_one(stack: Stack) -> None:
    """The default provider takes the stack's openstack: configuration."""
    stack.write(NET.replace(", opts=here", ""))
    assert stack.engine(config={"openstack:authUrl": "http://default"}).deploy().errors == []
    assert [one.get("authUrl") for one in stack.settings] == ["http://default"]
    urns = [one["urn"] for one in stack.engine().export_state()["deployment"]["resources"]]
    assert any(urn.endswith("pulumi:providers:openstack::default_5_5_3") for urn in urns)


def test_new_credentials_of_a_provider_replace_nothing(stack: Stack) -> None:
    """A provider's inputs change in place, and the next calls use them."""
    stack.deploy(NET)
    stack.program.write_text((HEAD + NET).replace("hush", "new"))
    stack.settings.clear()
    result = stack.engine().deploy()
    assert result.changes["update"] == 1
    assert result.changes["replace"] == 0
    assert {one["password"] for one in stack.settings} == {"new"}


def test_another_provider_replaces(stack: Stack) -> None:
    """A resource that moves to another provider is made anew there."""
    stack.deploy(NET)
    other = 'other = osp.Provider("other", auth_url="http://y", region="r")\n'
    result = stack.deploy(other, NET.replace("opts=here", "opts=Opts(provider=other)"))
    assert ops(result) == ["replace net"]


def test_outputs_declared_secret_are_encrypted(stack: Stack) -> None:
    """Secret inputs, additional_secret_outputs and secret stack outputs are not in the file."""
    stack.deploy(
        NET.replace(
            "opts=here", 'opts=Opts(provider=site, additional_secret_outputs=["description"])'
        ).replace("mtu=1400", 'description="classified"'),
        'pulumi.export("word", pulumi.Output.secret("xyzzy"))\n',
    )
    text = stack.state_file.read_text()
    assert "hush" not in text
    assert "xyzzy" not in text
    assert '"ciphertext": "v1:' in text
    assert text.count("classified") == 1  # the input, which the program gives openly


@pytest.mark.parametrize("old", ["aliases=[pulumi.Alias(name='old')]", "aliases=[URN]"])
def test_aliases_rename_without_replacing(stack: Stack, old: str) -> None:
    """A resource known by an alias stays what it is, and what needs it follows."""
    stack.deploy(NET.replace('Network("net"', 'Network("old"'), SUB)
    urn = "'urn:pulumi:dev::t::openstack:networking/network:Network::old'"
    option = f"opts=Opts(provider=site, {old.replace('URN', urn)})"
    renamed = NET.replace("opts=here", option)
    assert ops(stack.preview(renamed, SUB)) == []
    assert ops(stack.deploy(renamed, SUB)) == []
    assert "::old" not in stack.state_file.read_text()


def test_a_components_alias_holds_for_its_children(stack: Stack) -> None:
    """Children of a renamed component stay what they are."""
    component = """
    class Cell(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("dc:net:Cell", name, {}, opts)
            self.net = osp.networking.Network(f"{name}-net", name="net", opts=Opts(parent=self))
            self.inner = Inner(f"{name}-in", Opts(parent=self))

    class Inner(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("dc:net:Inner", name, {}, opts)
            osp.blockstorage.Volume(f"{name}-vol", name="vol", size=1, opts=Opts(parent=self))
    """
    stack.deploy(component, 'Cell("old", Opts(provider=site))\n')
    new = 'Cell("new", Opts(provider=site, aliases=[pulumi.Alias(name="old")]))\n'
    assert ops(stack.deploy(component, new)) == []
    assert "old" not in stack.state_file.read_text()
    assert stack.cloud.made == 2


def test_a_stack_reads_another_ones_outputs(stack: Stack) -> None:
    """A StackReference has the outputs of a stack of the same backend, secrets included."""
    stack.deploy('pulumi.export("a", 1)\npulumi.export("b", pulumi.Output.secret("xyzzy"))\n')
    other = Stack(stack.folder, "other", stack.cloud)
    result = other.deploy(
        """
        ref = pulumi.StackReference("organization/t/dev")
        pulumi.export("a", ref.require_output("a"))
        pulumi.export("b", ref.require_output("b"))
        """
    )
    assert result.outputs["a"] == 1
    assert "xyzzy" not in repr(result.outputs)
    assert "xyzzy" not in other.state_file.read_text()


def test_the_same_name_twice_is_an_error(stack: Stack) -> None:
    """Two resources of one URN are refused before anything is made."""
    (error,) = stack.write(NET, NET.replace("net =", "twin =")).engine().deploy().errors
    assert "twice" in error.what
    assert stack.cloud.log == []
