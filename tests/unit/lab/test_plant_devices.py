"""The lab's devices: where they are, what they measure, and how they put it on the wire."""

import asyncio
import stat
from pathlib import Path

import httpx
import pytest

import catalogue
from exporters.devices import credentials
from exporters.devices.credentials import Credentials
from exporters.devices.profile import ModbusProfile, SnmpProfile, named
from exporters.readings import Quantity
from lab.openstack import ports, sites
from lab.plant import places
from lab.plant.instruments import Instrument
from lab.plant.model import Overload
from lab.plant.record import Record
from lab.plant.simulators import modbus, nut, redfish, snmp
from lab.plant.truth import Truth

SITES = catalogue.load().sites
START = 1767200400
NOW = START + 3600


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Give the main site's truth."""
    return Truth(SITES["main"], START)


def instrument(truth: Truth, name: str) -> Instrument:
    """Give what a device of the main site measures."""
    device = next(one for one in truth.site.devices if one.id == name)
    return Instrument(truth.site, device, truth)


def test_devices_are_among_their_site_s_ports(tmp_path: Path) -> None:
    """No device's port is another's or a service's, wherever the lab's ports begin."""
    found = places.ports(28000)
    for site in sites.load(tmp_path, 28000):
        mine = found[site.name]
        assert len(mine) == len({one.address.lab for one in SITES[site.name].devices})
        assert all(site.port <= port < site.port + 100 for port in mine)
        assert not set(mine) & set(ports.services(site).values())


def test_default_lab_s_devices_are_at_the_catalogue_s_addresses() -> None:
    """An exporter finds them by the catalogue alone."""
    for site in SITES.values():
        for device in site.devices:
            assert device.address.lab == f"127.0.0.1:{places.port_of(device, 23000)}"


def test_credentials_are_made_once_and_hidden(tmp_path: Path) -> None:
    """Every name of the catalogue has credentials that nobody else may read."""
    places.prepare(tmp_path)
    file = tmp_path / places.CREDENTIALS
    first = file.read_text()
    places.prepare(tmp_path)
    assert file.read_text() == first
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in tmp_path.iterdir())
    named_ = {one.credentials for site in SITES.values() for one in site.devices}
    assert named_ - {None} <= set(credentials.load(file))


@pytest.mark.parametrize(
    ("profile", "quantity", "channel", "value", "expected"),
    [
        # A count of Wh in 64 bits, high word first: 1 234 567 890 123 Wh.
        ("schneider-pm5300", "energy", "", 1234567890123 * 3600, [0x0000, 0x011F, 0x71FB, 0x04CB]),
        # IEEE 754 single precision: 1500.5 W is 0x44BB9000.
        ("janitza-umg-604", "power", "", 1500.5, [0x44BB, 0x9000]),
        # A float with its least significant word first: 0.008 L/s in m3/s is 0x370637BD.
        ("xylem-magflux", "flow", "", 0.008, [0x37BD, 0x3706]),
        # A count that the device does not have.
        ("deepsea-gencomm", "energy", "", None, [0xFFFF, 0xFFFF]),
    ],
)
def test_registers_are_as_the_documents_say(
    profile: str, quantity: str, channel: str, value: float | None, expected: list[int]
) -> None:
    """Width, word order and sentinel are worked out by hand here, not by the reader."""
    found = named(profile)
    assert isinstance(found, ModbusProfile)
    point = next(one for one in found.points if (one.quantity, one.channel) == (quantity, channel))
    assert modbus.words(point, value) == expected


def test_lines_of_a_ups_add_up(truth: Truth) -> None:
    """A UPS tells its output line by line, in whole watts."""
    profile = named("ups-mib")
    assert isinstance(profile, SnmpProfile)
    found = snmp.objects(instrument(truth, "ups-a"), profile)
    column = (1, 3, 6, 1, 2, 1, 33, 1, 4, 4, 1, 4)
    lines = [give(NOW) for oid, give in found.items() if oid[:-1] == column]
    assert len(lines) == 3
    assert sum(map(int, lines)) == pytest.approx(truth.power_w("ups-a", NOW), abs=1.5)


def test_a_table_s_rows_are_told_apart(truth: Truth) -> None:
    """Return and supply air stand in one column, and another says which is which."""
    profile = named("vertiv-liebert")
    assert isinstance(profile, SnmpProfile)
    found = snmp.objects(instrument(truth, "crah-a1"), profile)
    column = (1, 3, 6, 1, 4, 1, 476, 1, 42, 3, 4, 1, 3, 3, 1, 2)
    kinds = {str(give(NOW)) for oid, give in found.items() if oid[:-1] == column}
    assert kinds == {"1.3.6.1.4.1.476.1.42.3.4.1.1.2", "1.3.6.1.4.1.476.1.42.3.4.1.1.3"}


def test_a_device_measures_what_its_meter_s_truth_is(truth: Truth) -> None:
    """Registers have a past, and count the truth to the joule from the start on."""
    meter = instrument(truth, "meter-utility-a")
    before, after = (meter.value(Quantity.ENERGY, "", time) for time in (START, NOW))
    assert before
    assert after
    assert after - before == truth.energy_j("utility-a", NOW)
    assert meter.value(Quantity.POWER, "", NOW) == truth.power_w("utility-a", NOW)
    assert meter.value(Quantity.ENERGY, "export", NOW) == 0
    assert meter.value(Quantity.VOLUME, "", NOW) is None


def test_a_ups_draws_more_than_it_gives(truth: Truth) -> None:
    """Between its input and its output are its losses."""
    ups = instrument(truth, "ups-a")
    given, drawn = (ups.value(Quantity.POWER, side, NOW) for side in ("output", "input"))
    assert given
    assert drawn
    assert 1.02 < drawn / given < 1.2
    assert ups.value(Quantity.LOAD, "", NOW) == truth.ups_load("ups-a", NOW)


def test_nut_s_variables_are_those_of_the_rfc(truth: Truth) -> None:
    """What a UPS says is text by NUT's names."""
    said = nut.variables(instrument(truth, "ups-offices"), NOW)
    assert said["ups.status"] == "OL"
    assert float(said["ups.realpower"]) == truth.power_w("ups-offices", NOW)


def test_a_controller_asks_for_a_session(truth: Truth) -> None:
    """Redfish gives its root to all, and the rest to those who have logged in."""
    given = Credentials.model_validate({"username": "u", "password": "p"})
    controller = redfish.Controller(instrument(truth, "bmc-a1-1"), legacy=False, credentials=given)
    app = redfish.app({8000: controller}, lambda: NOW)
    path = f"{redfish.CHASSIS}/EnvironmentMetrics"

    async def talk() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bmc:8000") as client:
            root = (await client.get(redfish.ROOT)).json()
            assert root["Chassis"]["@odata.id"] == "/redfish/v1/Chassis"
            assert (await client.get(path)).status_code == 401
            wrong = {"UserName": "u", "Password": "q"}
            assert (await client.post(redfish.SESSIONS, json=wrong)).status_code == 401
            right = await client.post(redfish.SESSIONS, json={**wrong, "Password": "p"})
            token = {"X-Auth-Token": right.headers["X-Auth-Token"]}
            found = (await client.get(path, headers=token)).json()
            assert found["PowerWatts"]["Reading"] == truth.power_w("server-a1-1", NOW)
            ended = await client.delete(right.headers["Location"], headers=token)
            assert ended.status_code == 204
            assert (await client.get(path, headers=token)).status_code == 401

    asyncio.run(talk())


def test_every_link_of_a_controller_leads_somewhere(truth: Truth) -> None:
    """A client that follows links finds a resource at each."""
    for legacy in (True, False):
        controller = redfish.Controller(instrument(truth, "bmc-a1-1"), legacy, Credentials())
        found = redfish.resources(controller, NOW)
        links = [
            one["@odata.id"]
            for resource in found.values()
            for value in resource.values()
            for one in (value if isinstance(value, list) else [value])
            if isinstance(one, dict) and "@odata.id" in one
        ]
        assert links
        assert set(links) - {redfish.SESSIONS} <= set(found)


def test_overloads_last_until_they_are_relieved(tmp_path: Path) -> None:
    """What was made to happen is kept, with its beginning and its end."""
    record = Record(tmp_path)
    record.make(1234567.8)
    record.overload(Overload("ups-a", 2000000, 3000000))
    assert record.origin == 1234560
    assert record.relieve(2500000) == 1
    assert record.relieve(2600000) == 0
    assert record.overloads == (Overload("ups-a", 2000000, 2500000),)


def test_what_happens_changes_no_past(truth: Truth) -> None:
    """An event that is told later leaves what was counted; memory is given back."""
    late = Truth(truth.site, START, step_s=10)
    until = START + 40000
    before = late.energy_j("utility-a", until)
    late.happen((Overload("ups-a", until, until + 600),))
    assert late.energy_j("utility-a", until) == before
    assert late.ups_load("ups-a", until + 10) > 1
    late.forget(until + 50000)
    with pytest.raises(KeyError):
        late.power_w("utility-a", START)
    assert late.energy_j("utility-a", until + 50000) > before
