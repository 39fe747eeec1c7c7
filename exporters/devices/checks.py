"""What the catalogue's devices, meters and sensors must agree on with the devices' profiles."""

from collections.abc import Iterator

from catalogue import Problem, Rule
from catalogue.documents import Steps
from catalogue.errors import BadInputError
from catalogue.loading import Draft
from catalogue.model import Site
from catalogue.problems import suggestion
from exporters.devices.profile import Profile, channel_fits, named, names
from exporters.readings import Quantity

_COUNTED = {
    "electricity": {Quantity.ENERGY, Quantity.POWER},
    "heat": {Quantity.ENERGY, Quantity.POWER},
    "chilled-water": {Quantity.ENERGY, Quantity.POWER},
    "fuel": {Quantity.VOLUME, Quantity.FLOW},
    "water": {Quantity.VOLUME, Quantity.FLOW},
}
_AIR = {Quantity.TEMPERATURE, Quantity.HUMIDITY, Quantity.DEW_POINT}
_GUARDED = {"snmp", "redfish", "ipmi"}
"""Protocols that answer nobody without credentials."""


def devices_have_profiles(draft: Draft) -> Iterator[Problem]:
    """Ensure that how a device is read is known, and that its credentials are named."""
    for name, site in draft.sites.items():
        for index, device in enumerate(site.devices):
            if device.profile not in names():
                what = f'is "{device.profile}", which is no profile'
                remedy = suggestion(device.profile, names(), "profile")
                yield draft.problem(f"sites/{name}", ("devices", index, "profile"), what, remedy)
                continue
            found = _profile(device.profile)
            if found and found.protocol in _GUARDED and not device.credentials:
                what = f"is missing: {found.protocol} answers nobody without"
                remedy = "name what the file of credentials has for it"
                yield draft.problem(
                    f"sites/{name}", ("devices", index, "credentials"), what, remedy
                )


def channels_give_what_is_counted(draft: Draft) -> Iterator[Problem]:
    """Ensure that a meter's channel gives its carrier's register or rate, a sensor's the air's."""
    for name, site in draft.sites.items():
        profiles = {device.id: _profile(device.profile) for device in site.devices}
        for steps, device, channel, wanted in _used(site):
            found = profiles.get(device)
            if found is None:
                continue
            given = {point.quantity for point in found.points if channel_fits(point, channel)}
            if not given & wanted:
                told = f"channel {channel!r}" if channel else "the device as a whole"
                what = f"names {told} of {device}, which gives no {' or '.join(sorted(wanted))}"
                channels = {point.channel for point in found.points if point.quantity in wanted}
                remedy = suggestion(channel, {one or "(none)" for one in channels}, "channel")
                yield draft.problem(f"sites/{name}", steps, what, remedy)


def _used(site: Site) -> Iterator[tuple[Steps, str, str, set[Quantity]]]:
    for index, meter in enumerate(site.meters):
        if meter.reads:
            steps = ("meters", index, "reads")
            yield steps, meter.reads.device, meter.reads.channel, _COUNTED[meter.carrier]
    for index, sensor in enumerate(site.sensors):
        yield ("sensors", index, "device"), sensor.device, sensor.channel, _AIR


def _profile(name: str) -> Profile | None:
    try:
        return named(name)
    except BadInputError:
        return None


RULES: tuple[Rule, ...] = (devices_have_profiles, channels_give_what_is_counted)
"""For `catalogue.check` and `catalogue.load`."""
