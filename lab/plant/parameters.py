"""What the catalogue does not say of a site's plant, but its simulation needs: `sites/ID.yaml`."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from catalogue.model import Id, Model, Ratio

SITES = Path(__file__).with_name("sites")
Watts = Annotated[int, Field(ge=0)]
Factor = Annotated[float, Field(ge=0)]


class Load(Model):
    """How busy the servers are, as a ratio of their range between rest and full load."""

    base: Ratio
    """At night and on days off."""
    working: Ratio
    """What working hours add."""
    noise: Ratio


class Ups(Model):
    """
    An uninterruptible power supply.

    It loses a share of its rated power (the catalogue's) at no load, a share of what it carries,
    and one that grows with the square of what it carries.
    """

    no_load: Ratio
    proportional: Ratio
    quadratic: Ratio
    """Of the rated power, at full load."""
    battery_wh: Annotated[int, Field(ge=1)]


class Chiller(Model):
    """A compressor whose efficiency falls with the outdoor air's wet bulb, or dry where dry."""

    kind: Literal["chiller"]
    outdoor: Literal["wet-bulb", "dry-bulb"]
    base_w: Watts
    cop: Annotated[float, Field(gt=1)]
    """Heat taken per energy drawn at 20 °C outdoors."""
    cop_per_k: Factor
    """By how much the ratio falls with each kelvin."""
    racks: list[Id]
    """Whose heat it takes."""


class Fans(Model):
    """Fans or pumps that follow the heat of their racks: a constant, and a share of the heat."""

    kind: Literal["fans"]
    base_w: Watts
    share: Ratio
    racks: list[Id]


class Hours(Model):
    """What people need: a constant, what working hours add, and cooling of offices."""

    kind: Literal["hours"]
    base_w: Watts
    working_w: Watts
    per_k_w: Watts = 0
    """For each kelvin of outdoor air above 24 °C, in working hours."""


class Photovoltaic(Model):
    """Panels that feed in below a utility's meter."""

    kind: Literal["photovoltaic"]
    peak_w: Annotated[int, Field(ge=1)]
    into: Id
    """A utility's meter."""


class HeatReuse(Model):
    """Heat that others use in winter: a share of the racks' heat when it is cooler than 18 °C."""

    kind: Literal["heat-reuse"]
    share: Ratio
    racks: list[Id]


class Generator(Model):
    """A generator that carries the site in a test on one Saturday a month."""

    kind: Literal["generator"]
    week: Annotated[int, Field(ge=1, le=4)]
    """Which Saturday of the month."""
    hour: Annotated[int, Field(ge=0, le=23)]
    minutes: Annotated[int, Field(ge=1, le=120)]


class Fuel(Model):
    """What a generator burns while it runs."""

    kind: Literal["fuel"]
    base_ul_s: Annotated[int, Field(ge=0)]
    """µL/s, besides the share of its power."""
    ul_per_j: Factor
    generator: Id


class Tap(Model):
    """Water that people draw."""

    kind: Literal["tap"]
    base_ul_s: Annotated[int, Field(ge=0)]
    working_ul_s: Annotated[int, Field(ge=0)]


class Towers(Model):
    """Cooling towers: what evaporates, and what is let out to keep the rest clean."""

    kind: Literal["towers"]
    evaporating: Ratio
    """Share of the heat that leaves by evaporation; the rest warms the air."""
    cycles: Annotated[float, Field(gt=1)]
    """Of concentration: how many times the salts of the supply are in the basin."""
    chillers: list[Id]


Part = Annotated[
    Chiller | Fans | Hours | Photovoltaic | HeatReuse | Generator | Fuel | Tap | Towers,
    Field(discriminator="kind"),
]


class Parameters(Model):
    """sites/ID.yaml."""

    load: Load
    split: dict[Id, Ratio]
    """By rack, the share of its draw on the first of its PDUs; else half."""
    cables: Ratio
    """What is lost between a UPS and its PDUs at the rated power of the UPS, of that power."""
    transformer: Ratio
    """What is lost below a utility's meter, of what passes."""
    ups: dict[Id, Ups]
    parts: dict[Id, Part]
    """What each other meter measures."""
    supply_c: float
    """Temperature of the air that the racks are given, °C."""
    rise_k: Factor
    """How much warmer a rack at its power limit gives it back."""


def load(site: str) -> Parameters:
    """Return the site's parameters; raise FileNotFoundError where there are none."""
    return Parameters.model_validate(yaml.safe_load((SITES / f"{site}.yaml").read_text()))
