"""
How a device is read, as data: the files of `profiles/`, one for each model or family.

A profile says what the device's document says: where each figure is, in which unit and format,
what stands for "not available", and how sure that is.
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, model_validator

from catalogue.documents import Document, read
from catalogue.errors import BadInputError
from catalogue.fields import checked
from catalogue.model import Date, Id, Model, Text
from catalogue.problems import Problem, suggestion
from exporters.readings import Point, Quantity

FOLDER = Path(__file__).parent / "profiles"

UNITS: dict[Quantity, dict[str, float]] = {
    Quantity.ENERGY: {"J": 1, "kJ": 1e3, "GJ": 1e9, "Wh": 3600, "kWh": 3.6e6, "MWh": 3.6e9},
    Quantity.POWER: {"W": 1, "kW": 1e3},
    Quantity.VOLUME: {"L": 1, "m3": 1e3, "mm3": 1e-6},
    Quantity.FLOW: {"L/s": 1, "L/h": 1 / 3600, "m3/h": 1 / 3.6, "m3/s": 1e3},
    Quantity.TEMPERATURE: {"°C": 1},
    Quantity.DEW_POINT: {"°C": 1},
    Quantity.HUMIDITY: {"1": 1, "%": 0.01},
    Quantity.VOLTAGE: {"V": 1},
    Quantity.CURRENT: {"A": 1},
    Quantity.FREQUENCY: {"Hz": 1},
    Quantity.POWER_FACTOR: {"1": 1, "%": 0.01},
    Quantity.LOAD: {"1": 1, "%": 0.01},
    Quantity.CHARGE: {"1": 1, "%": 0.01},
    Quantity.RUNTIME: {"s": 1, "min": 60},
}
"""What one of a unit is in the quantity's own."""

_COUNTERS = {Quantity.ENERGY, Quantity.VOLUME}

Oid = Annotated[str, StringConstraints(pattern=r"^1(\.\d+){3,}$")]
Index = Annotated[str, StringConstraints(pattern=r"^(\d+\.)*\*(\.\d+)*$")]
Whole = Annotated[str, StringConstraints(pattern=r"^(0x[0-9A-F]+|-?\d+)$")]
RegisterType = Literal[
    "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"
]  # fmt: skip
Confidence = Literal["confirmed", "unconfirmed"]


class Source(Model):
    """The document that says how the device is read."""

    title: Text
    number: Text | None = None
    revision: Text | None = None
    date: Date | None = None
    """As precisely as is known; left out where the document gives none."""
    confidence: Confidence
    """Confirmed: what stands in the profile was found in the document, a copy of it, or in other
    programs that read such devices and agree."""
    note: Text
    """What it was compared with, or what is to be confirmed."""


class Figure(Model):
    """A figure that the device gives: what it is, and how its raw value is understood."""

    quantity: Quantity
    channel: str = ""
    """Which of several; empty for the device as a whole."""
    unit: Text
    """Of the raw value times `scale`."""
    scale: float = 1
    unavailable: tuple[Whole, ...] = ()
    """Raw values that say "not available", as the document writes them: "0x8000" is a pattern of
    bits, "-1" a number.  NaN always is one."""
    modulus: Annotated[float, Field(gt=0)] | None = None
    """The raw value at which a register starts again at zero, where the document tells."""
    low: float | None = None
    high: float | None = None
    """What the device can measure, in `unit`."""
    accuracy: Text | None = None
    confidence: Confidence | None = None
    """Where it differs from the document's."""
    why: Text | None = None
    """What is unconfirmed about this figure."""

    @model_validator(mode="after")
    def _is_sound(self) -> "Figure":
        known = UNITS[self.quantity]
        if self.unit not in known:
            raise ValueError(f'{self.quantity} is given in {", ".join(known)}, not "{self.unit}"')
        if self.modulus and self.quantity not in _COUNTERS:
            raise ValueError(f"{self.quantity} is no register that counts, so it has no modulus")
        if self.confidence == "unconfirmed" and not self.why:
            raise ValueError("say in `why` what is unconfirmed")
        return self

    def factor(self) -> float:
        """Return what the raw value is multiplied by to be in the quantity's unit."""
        return self.scale * UNITS[self.quantity][self.unit]

    def point(self, number: str = "") -> Point:
        """Return what is measured, on the channel with that number."""
        one = UNITS[self.quantity][self.unit]
        return Point(
            self.quantity,
            self.channel.replace("*", number),
            None if self.modulus is None else self.modulus * self.factor(),
            None if self.low is None else self.low * one,
            None if self.high is None else self.high * one,
        )


class Common(Model):
    """What every profile says, whatever its protocol."""

    id: Id
    vendor: Text
    models: Annotated[list[Text], Field(min_length=1)]
    document: Source


class Register(Figure):
    """A figure in Modbus registers."""

    register_: Annotated[int, Field(alias="register", ge=0, le=65535)]
    """The first register's address as it is sent: documents that count from 1 say one more."""
    type: RegisterType
    word_order: Literal["high-first", "low-first"] = "high-first"
    byte_order: Literal["high-first", "low-first"] = "high-first"
    """Within each word."""


class ModbusProfile(Common):
    """A device that speaks Modbus TCP, or Modbus RTU behind a gateway."""

    protocol: Literal["modbus"]
    table: Literal["holding", "input"] = "holding"
    gap: Annotated[int, Field(ge=0, le=124)] = 8
    """So many registers between two figures are read along rather than in another request: 0 where
    the device refuses to read registers that its document doesn't list."""
    largest: Annotated[int, Field(ge=1, le=125)] = 125
    """Registers that the device gives in one answer."""
    points: Annotated[list[Register], Field(min_length=1)]


class Equals(Model):
    """Rows are taken only where another column has this value."""

    oid: Oid
    value: Text


class Object(Figure):
    """A figure in an SNMP object, or in a column of a table."""

    oid: Oid
    """With the instance (".0") for a scalar; the column's without it where there is an `index`."""
    index: Index | None = None
    """Which rows of the column: "1.*" is every row of unit 1.  A `*` in `channel` is the number
    that the index has there; rows of one channel, such as the phases of a UPS, are summed."""
    decimals: Oid | None = None
    """Where the device says how many decimal digits the raw value has, at the same index."""
    where: Equals | None = None


class SnmpProfile(Common):
    """A device that speaks SNMP v2c or v3."""

    protocol: Literal["snmp"]
    at_once: Annotated[int, Field(ge=1, le=60)] = 40
    """Objects asked for in one request."""
    points: Annotated[list[Object], Field(min_length=1)]


class Property(Figure):
    """A figure in a Redfish resource."""

    resource: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+(/([A-Za-z]+|\*|\d+))*$")]
    """Properties that lead there from the service root: "Chassis/Members/*/Power".  `*` stands for
    the device's `unit`, or the first member where it names none."""
    at: Annotated[str, StringConstraints(pattern=r"^[A-Za-z@.]+(/([A-Za-z@.]+|\*|\d+))*$")]
    """The property within: "PowerControl/0/PowerConsumedWatts"; `*` is the first entry of a list
    that has what `where` says."""
    where: dict[str, str] = Field(default_factory=dict)


class RedfishProfile(Common):
    """A controller that speaks Redfish."""

    protocol: Literal["redfish"]
    interval: Annotated[float, Field(ge=0, le=10)] = 0
    """Seconds that the controller is left alone between two requests."""
    points: Annotated[list[Property], Field(min_length=1)]


class Answer(Figure):
    """A figure in the answer of a DCMI command."""

    at: Text
    """Its label in what `ipmi-dcmi --get-system-power-statistics` says."""


class IpmiProfile(Common):
    """A controller that speaks IPMI with DCMI's power commands."""

    protocol: Literal["ipmi"]
    points: Annotated[list[Answer], Field(min_length=1)]


class Variable(Figure):
    """A figure in a variable of NUT."""

    variable: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.]+$")]


class NutProfile(Common):
    """A UPS or PDU behind a NUT server."""

    protocol: Literal["nut"]
    points: Annotated[list[Variable], Field(min_length=1)]


class Sample(Figure):
    """A figure in a metric of another exporter: the sum of the samples with these labels."""

    metric: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
    labels: dict[str, str] = Field(default_factory=dict)


class PrometheusProfile(Common):
    """Something that another exporter measures."""

    protocol: Literal["prometheus"]
    scheme: Literal["http", "https"] = "http"
    path: Annotated[str, StringConstraints(pattern=r"^/[a-zA-Z0-9_./-]*$")] = "/metrics"
    points: Annotated[list[Sample], Field(min_length=1)]


Profile = (
    ModbusProfile | SnmpProfile | RedfishProfile | IpmiProfile | NutProfile | PrometheusProfile
)
_BY_PROTOCOL: dict[str, type[Profile]] = {
    get_args(one.model_fields["protocol"].annotation)[0]: one for one in get_args(Profile)
}


def unit(quantity: Quantity) -> str:
    """Return the unit that a quantity's readings have; "1" is a ratio."""
    return next(unit for unit, worth in UNITS[quantity].items() if worth == 1)


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the profiles that there are."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


@functools.cache
def named(name: str, folder: Path = FOLDER) -> Profile:
    """Return the profile with that name.  Raise BadInputError if there is none or it is unsound."""
    file = folder / f"{name}.yaml"
    if name not in names(folder):
        what = f'there is no profile "{name}"'
        raise BadInputError(what, remedy=suggestion(name, names(folder), "profile"))
    document, problems = read(file)
    found = None
    if document is not None:
        found, wrong = _sound(document)
        problems += wrong
    if found is None or problems:
        what = f'the profile "{name}" is unsound'
        raise BadInputError(what, why="; ".join(map(str, problems)), remedy="mend the file")
    return found


def _sound(document: Document) -> tuple[Profile | None, list[Problem]]:
    """Return the document as a profile of its protocol, and what is wrong with it."""
    protocol = document.data.get("protocol")
    model = _BY_PROTOCOL.get(protocol) if isinstance(protocol, str) else None
    if model is None:
        remedy = suggestion(protocol, _BY_PROTOCOL, "protocol")
        return None, [document.problem(("protocol",), f'is "{protocol}"', remedy)]
    found, problems = checked(document, model)
    if found is not None:
        problems = list(_faults(document, found))
    return found, problems


def _faults(document: Document, found: Profile) -> Iterator[Problem]:
    """Yield what a profile's parts must agree on and don't."""
    if found.id != document.file.stem:
        remedy = f'write "{document.file.stem}", or rename the file'
        yield document.problem(("id",), f'is "{found.id}"', remedy)
    seen = set()
    for index, point in enumerate(found.points):
        steps = ("points", index)
        key = (point.quantity, point.channel)
        if key in seen and not getattr(point, "where", None):
            what = f"gives {point.quantity} of channel {point.channel!r} again"
            yield document.problem(steps, what, "name another channel, or remove it")
        seen.add(key)
        if "*" in point.channel and not getattr(point, "index", None):
            what = f"has the channel {point.channel!r}"
            remedy = "add an `index` with a `*`, or name the channel"
            yield document.problem((*steps, "channel"), what, remedy)


def channel_fits(point: Figure, channel: str) -> bool:
    """Return whether a point of a profile gives that channel of a device."""
    pattern = re.escape(point.channel).replace(r"\*", r"\d+")
    return re.fullmatch(pattern, channel) is not None
