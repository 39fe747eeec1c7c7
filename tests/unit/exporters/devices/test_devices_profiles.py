"""The profiles of devices: sound, of their schema, and decoding what their documents say."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from catalogue.documents import read
from catalogue.errors import BadInputError
from exporters.devices import ipmi, nut, prometheus, redfish, snmp
from exporters.devices.client import Found
from exporters.devices.decoding import from_registers, ranges
from exporters.devices.profile import (
    FOLDER,
    IpmiProfile,
    ModbusProfile,
    NutProfile,
    Profile,
    PrometheusProfile,
    RedfishProfile,
    SnmpProfile,
    named,
    names,
)
from exporters.devices.schema import FILE, schema
from exporters.readings import Quantity

CASES = Path(__file__).parent / "cases"
FILES = sorted(CASES.rglob("*.yaml"))


class Agent:
    """An SNMP session with an agent that has these objects."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self._objects = objects

    async def get_many(self, oids: list[str]) -> dict[str, Any]:
        """Return those that the agent has."""
        return {oid: self._objects[oid] for oid in oids if oid in self._objects}

    async def getbulk(self, oid: str) -> AsyncIterator[tuple[str, Any]]:
        """Yield all below an object."""
        for name, value in self._objects.items():
            if name.startswith(f"{oid}."):
                yield name, value


def decoded(profile: Profile, case: dict[str, Any]) -> list[Found]:
    """Return what the profile makes of what the case's device says."""
    match profile:
        case ModbusProfile():
            given = {int(register): words for register, words in case["registers"].items()}
            return [
                Found(point.point(), *from_registers(point, given[point.register_]))
                for point in profile.points
                if point.register_ in given
            ]
        case SnmpProfile():
            reader = snmp.SnmpReader(profile, "", 0, None, 1)
            reader._session = Agent(case["objects"])  # type: ignore[assignment] # as far as it is used
            return asyncio.run(reader.fetch())
        case RedfishProfile():
            return asyncio.run(_redfish(profile, case))
        case IpmiProfile():
            return ipmi.decoded(profile, case["says"])
        case NutProfile():
            return nut.decoded(profile, case["variables"])
        case PrometheusProfile():
            return prometheus.decoded(profile, case["metrics"])


async def _redfish(profile: RedfishProfile, case: dict[str, Any]) -> list[Found]:
    def answer(request: httpx.Request) -> httpx.Response:
        body = json.dumps(case["resources"][request.url.path]).encode()
        return httpx.Response(200, stream=httpx.ByteStream(body))

    reader = redfish.RedfishReader(profile, "", 0, case.get("unit"), None, 1)
    reader._session = f"{redfish.SESSIONS}/1"
    transport = httpx.MockTransport(answer)
    reader._client = httpx.AsyncClient(transport=transport, base_url="https://bmc")
    return await reader.fetch()


@pytest.mark.parametrize("name", names())
def test_profile_is_sound_and_of_its_schema(name: str) -> None:
    """What the reader takes for sound, an editor does too."""
    assert named(name).id == name
    file = FOLDER / f"{name}.yaml"
    assert file.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=../profiles.schema.json\n"
    )
    document, _ = read(file)
    assert document is not None
    jsonschema.validate(document.data, json.loads(FILE.read_text(encoding="utf-8")))


def test_schema_is_that_of_the_model() -> None:
    """Run `python -m exporters.devices.schema` after a change of the model."""
    assert FILE.read_text(encoding="utf-8") == schema()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_device_says_what_its_case_says(file: Path) -> None:
    """Raw values become the readings that the case lists, of those points that it gives."""
    document, problems = read(file)
    assert document is not None
    assert not problems
    found = {
        (one.point.quantity, one.point.channel): one.value
        for one in decoded(named(file.parent.name), document.data)
    }
    wanted = {
        (one["quantity"], one.get("channel", "")): one["value"] for one in document.data["readings"]
    }
    assert found == {
        key: value if value is None else pytest.approx(value, rel=1e-9)
        for key, value in wanted.items()
    }


def test_every_profile_has_a_case() -> None:
    """A profile whose decoding nothing shows is not tested."""
    assert {file.parent.name for file in FILES} == set(names())


def test_unconfirmed_figures_say_why() -> None:
    """What no document confirmed is told apart, with the reason."""
    for name in names():
        found = named(name)
        for point in found.points:
            assert point.confidence != "unconfirmed" or point.why, f"{name}: {point}"


@pytest.mark.parametrize("name", [n for n in names() if named(n).protocol == "modbus"])
def test_registers_are_read_in_few_requests(name: str) -> None:
    """Every register is within a range that the device gives in one answer."""
    profile = named(name)
    assert isinstance(profile, ModbusProfile)
    found = ranges(profile.points, profile.gap, profile.largest)
    assert all(count <= profile.largest for _, count in found)
    for point in profile.points:
        assert any(first <= point.register_ < first + count for first, count in found)
    assert len(found) <= 4


def test_modulus_and_limits_are_in_the_quantity_s_unit() -> None:
    """A 32-bit register of Wh starts again after 4,294,967,296 Wh; limits of % are ratios."""
    points = {(one.quantity, one.channel): one.point("1") for one in named("eaton-epdu").points}
    assert points[Quantity.ENERGY, ""].modulus == 4294967296 * 3600
    assert points[Quantity.HUMIDITY, "sensor-*"].high == 1
    assert points[Quantity.HUMIDITY, "sensor-*"].channel == "sensor-1"


def test_profile_that_is_not_there_is_told_with_the_nearest() -> None:
    """A misspelt name leads to the one that was meant."""
    with pytest.raises(BadInputError, match='did you mean "schneider-pm5300"'):
        named("schneider-pm530")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("unit: J", "unit: kW"), "energy is given in"),
        (("unit: J", "unit: J, confidence: unconfirmed"), "say in `why`"),
        (("id: kepler", "id: other"), 'is "other"'),
        (("protocol: prometheus", "protocol: smoke"), "protocol"),
        (("quantity: energy", "quantity: power"), "power is given in"),
    ],
)
def test_unsound_profile_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """A profile that says what can't be is refused with its place."""
    text = (FOLDER / "kepler.yaml").read_text(encoding="utf-8")
    file = tmp_path / "kepler.yaml"
    file.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(BadInputError, match=said) as refused:
        named("kepler", tmp_path)
    assert f"{file}:" in str(refused.value)
