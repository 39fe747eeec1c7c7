"""`citydc exporter energy --try`: one device, read once."""

import json

import pytest
from typer.testing import CliRunner

from catalogue.errors import BadInputError, OutsideError
from citydc.main import app
from exporters import devices
from exporters.devices import DeviceError, Reason
from exporters.readings import Point, Quantity, Reading

TRY = ["exporter", "energy", "--profile", "lab", "--try"]


class Meter:
    """A device that answers, or fails."""

    def __init__(self, fault: DeviceError | None = None) -> None:
        self.fault = fault
        self.closed = False

    async def read(self) -> list[Reading]:
        """Return two readings, one of which is not available."""
        if self.fault:
            raise self.fault
        return [
            Reading("meter", Point(Quantity.POWER), 1234.5, "1.2345", 0),
            Reading("meter", Point(Quantity.HUMIDITY, "sensor-1"), None, "-1", 0),
        ]

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    """Answer for every device of the catalogue."""
    one = Meter()
    monkeypatch.setattr(devices, "opened", lambda *_: one)
    return one


def test_try_shows_units_and_raw_values(meter: Meter) -> None:
    """Each quantity has its unit and what was on the wire; the document's confidence is told."""
    done = CliRunner().invoke(app, [*TRY, "main/meter-crah-a1"])
    assert done.exit_code == 0
    assert "SDM630 Modbus protocol: confirmed" in done.stdout
    assert ["power", "1234.5", "W", "1.2345"] in [line.split() for line in done.stdout.splitlines()]
    assert "not available" in done.stdout
    assert meter.closed


@pytest.mark.usefixtures("meter")
def test_try_gives_json() -> None:
    """Programs get the same, an unavailable value as null."""
    done = CliRunner().invoke(app, [*TRY, "meter-crah-a1", "--json"])
    readings = json.loads(done.stdout)["readings"]
    assert readings[0] == {
        "quantity": "power", "channel": "", "value": 1234.5, "unit": "W", "raw": "1.2345",
    }  # fmt: skip
    assert readings[1]["value"] is None


def test_try_of_a_device_that_is_down_says_why(meter: Meter) -> None:
    """The reason, its detail and the address are told; the device is closed."""
    meter.fault = DeviceError(Reason.CERTIFICATE, "certificate has expired")
    done = CliRunner().invoke(app, [*TRY, "main/bmc-a1-1"])
    assert isinstance(done.exception, OutsideError)
    assert "127.0.0.1:23036: bmc-a1-1 can't be read: certificate" in str(done.exception)
    assert "certificate has expired" in str(done.exception)
    assert meter.closed


@pytest.mark.parametrize(
    ("name", "said"), [("pdu-a1-x", "did you mean"), ("ups-a", "backup/ups-a, main/ups-a")]
)
def test_try_of_no_or_of_several_devices_is_bad_input(name: str, said: str) -> None:
    """A name that fits none or several is told with those that there are."""
    done = CliRunner().invoke(app, [*TRY, name])
    assert isinstance(done.exception, BadInputError)
    assert said in str(done.exception)
