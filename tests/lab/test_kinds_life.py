"""
Every resource type on a real cloud, from creation to deletion.

A file in kinds/ is one situation: things that are made one after the other, each looked at,
changed, changed by hand and found again, and at last deleted in the opposite order.
"""

import contextlib
import pathlib
import re
import uuid
from typing import Any

import pytest
import yaml

from lab.control import Lab
from lab.engine.cloud import Cloud
from lab.engine.kinds import KINDS
from lab.engine.kinds.base import Kind, Values, agrees
from lab.openstack.sites import PARTS

SITUATIONS = sorted((pathlib.Path(__file__).parent / "kinds").glob("*.yaml"))


@pytest.fixture(scope="session")
def cloud(lab: Lab) -> Cloud:
    """Give the main site as its administrator, as a Pulumi provider describes it."""
    there = yaml.safe_load(lab.clouds_file.read_text())["clouds"]["main"]
    auth = there["auth"]
    return Cloud(
        {
            "authUrl": auth["auth_url"],
            "userName": auth["username"],
            "password": auth["password"],
            "tenantName": auth["project_name"],
            "userDomainId": "default",
            "projectDomainId": "default",
            "region": there["region_name"],
        }
    )


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda path: path.stem)
def test_type_does_on_a_real_cloud_what_it_says(
    situation: pathlib.Path, cloud: Cloud, lab: Lab
) -> None:
    """What is asked is read back, changes take effect, drift shows, and deletion leaves nothing."""
    (member,) = cloud.pages("identity", "/roles", "roles", params={"name": "member"})
    known = {
        "run": uuid.uuid4().hex[:6],
        "mirror": f"http://127.0.0.1:{lab.port + PARTS['mirror']}/debian-12.raw",
        "member": member["id"],
        "project": cloud.project_id,
        "user": cloud.user_id,
        "home": str(situation.parent),
    }
    with contextlib.ExitStack() as made:
        for thing in yaml.safe_load(situation.read_text()):
            kind = KINDS[thing["type"]]
            inputs = dict(kind.defaults) | _filled(thing["inputs"], known)
            assert kind.check(inputs) == []
            ident = kind.create(cloud, inputs)
            known[thing["as"]] = ident
            known[f"{thing['as']}_last"] = ident.rpartition("/")[2]
            lasting = thing.get("lasting", False)
            made.callback(_delete, cloud, kind, ident, inputs, lasting=lasting)
            _live(cloud, kind, ident, inputs, _filled(thing, known))


def _delete(cloud: Cloud, kind: Kind, ident: str, inputs: Values, *, lasting: bool) -> None:
    """Delete an object, which the second time changes nothing."""
    outputs = kind.read(cloud, ident, inputs) or inputs
    kind.delete(cloud, ident, outputs)
    assert lasting == (kind.read(cloud, ident, inputs) is not None)
    kind.delete(cloud, ident, outputs)


def _live(cloud: Cloud, kind: Kind, ident: str, inputs: Values, thing: Values) -> None:
    """Put an object through what a situation says."""
    kind.settle(cloud, ident)
    _assert_as_asked(cloud, kind, ident, inputs)
    assert kind.find(cloud, inputs) == [ident]
    _assert_listed(cloud, kind, ident, inputs)
    kind.resume(cloud, ident, inputs)
    _assert_as_asked(cloud, kind, ident, inputs)
    for change in thing.get("updates") or ():
        wanted = {k: v for k, v in (inputs | change).items() if v is not None}
        assert not set(change) & kind.replace
        kind.update(cloud, ident, wanted, inputs, set(change))
        inputs = wanted
        _assert_as_asked(cloud, kind, ident, inputs)
    for hand in thing.get("by_hand") or ():
        cloud.call(*hand["call"])
        there = _once_drifted(cloud, kind, ident, inputs, set(hand["shows"]))
        found = {name: there.get(name) for name in hand["shows"]}
        kind.update(cloud, ident, inputs, inputs | found, hand["shows"])
        _assert_as_asked(cloud, kind, ident, inputs)
    for hand in thing.get("strays") or ():
        managed = {stray.id for stray in kind.strays(cloud, ident, set())} - {ident}
        assert kind.strays(cloud, ident, managed) == []
        cloud.call(*hand["call"])
        (stray,) = kind.strays(cloud, ident, managed)
        assert re.search(hand["says"], stray.description)
        kind.remove_stray(cloud, stray.id)
        assert kind.strays(cloud, ident, managed) == []


def _once_drifted(cloud: Cloud, kind: Kind, ident: str, inputs: Values, names: set[str]) -> Values:
    """Return what is read once it differs in the properties named, and in no others."""

    def look() -> bool:
        return _drift(kind, inputs, kind.read(cloud, ident, inputs) or {}) == names

    cloud.wait(look, (True,), limit=30)
    return kind.read(cloud, ident, inputs) or {}


def _assert_as_asked(cloud: Cloud, kind: Kind, ident: str, inputs: Values) -> None:
    kept = kind.read(cloud, ident, inputs)
    fresh = kind.read(cloud, ident, inputs)
    assert kept is not None
    assert fresh is not None
    assert _drift(kind, inputs, kept) == set()
    assert _drift(kind, inputs, fresh) == set()
    for name, value in inputs.items():
        if name not in ("userData", "imageId"):
            assert agrees(value, fresh[name], ordered="@" not in kind.inputs[name].marks)
    differing = {name for name in {*kept, *fresh} if kept.get(name) != fresh.get(name)}
    assert differing <= VOLATILE


VOLATILE = {
    "updatedAt",
    "updated",
    "revisionNumber",
    "updated_at",
    "userId",
    "status",
    "privateKey",
}


def _assert_listed(cloud: Cloud, kind: Kind, ident: str, inputs: Values) -> None:
    listing = kind.listing(cloud)
    if listing is None:
        return
    assert ident in listing
    fresh = kind.read(cloud, ident, inputs)
    listed = kind.read(cloud, ident, inputs, body=listing[ident])
    assert listed is not None
    assert fresh is not None
    differing = {name for name in {*fresh, *listed} if fresh.get(name) != listed.get(name)}
    assert differing <= VOLATILE


def _drift(kind: Kind, inputs: Values, there: Values) -> set[str]:
    return {
        name
        for name, value in inputs.items()
        if "-" not in kind.inputs[name].marks
        and name not in ("userData", "imageId")
        and not agrees(value, there.get(name), ordered="@" not in kind.inputs[name].marks)
    }


def _filled(value: Any, known: Values) -> Any:
    """Return `value` with every ${name} in it replaced by what is known under the name."""
    if isinstance(value, dict):
        return {_filled(key, known): _filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, known) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: str(known.get(match[1], match[0])), value)
    return value
