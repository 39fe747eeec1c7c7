"""Names and numbers: unique where they must be, and known where they are used."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from catalogue.documents import Steps
from catalogue.flows import INSIDE
from catalogue.loading import Draft
from catalogue.problems import Problem, suggestion

EVERYONE = "all"

_ID = re.compile(r"[a-z][a-z0-9-]{1,31}")
_PARTY = re.compile(rf"{_ID.pattern}(/{_ID.pattern})?")

_UNIQUE = {
    "city": ["agencies.*.id", "agencies.*.number", "outside.*.id", "recovery.*.tier"],
    "sites": [
        "zones.*",
        "capabilities.*",
        "images.*.id",
        "flavors.*.id",
        "racks.*.id",
        "devices.*.id",
        "meters.*.id",
        "sensors.*.id",
    ],
    "targets": ["targets.*.id"],
    "factors": ["factors.*.id"],
}


def ids_are_the_files_names(draft: Draft) -> Iterator[Problem]:
    """Ensure that a site or service has the id that its file is named for."""
    for key, document in draft.documents.items():
        kind, _, name = key.partition("/")
        found = document.data.get("id")
        if name and _is_id(found) and found != name:
            remedy = f'write "{name}", or rename the file to {found}.yaml'
            yield draft.problem(key, ("id",), f'is "{found}" in {kind}/{name}.yaml', remedy)


def nothing_is_there_twice(draft: Draft) -> Iterator[Problem]:
    """Entries of a list have ids, numbers or values of their own."""
    for kind, patterns in _UNIQUE.items():
        for key, document in draft.of_kind(kind):
            for pattern in patterns:
                found = [(key, *one) for one in document.find(pattern)]
                yield from _alike(draft, found, "rename or remove one of them")


def parts_of_a_service_differ(draft: Draft) -> Iterator[Problem]:
    """Components and databases of a service have ids and numbers of their own."""
    for key, document in draft.of_kind("services"):
        for name, remedy in (("id", "rename one of them"), ("number", "take the next free one")):
            found = [
                (key, *one)
                for pattern in (f"components.*.{name}", f"databases.*.{name}")
                for one in document.find(pattern)
            ]
            yield from _alike(draft, found, remedy)
        volumes: dict[Steps, list[tuple[str, Steps, Any]]] = defaultdict(list)
        for steps, value in document.find("components.*.volumes.*.id"):
            volumes[steps[:2]].append((key, steps, value))
        for group in volumes.values():
            yield from _alike(draft, group, "rename one of them")


def listens_of_a_component_differ(draft: Draft) -> Iterator[Problem]:
    """Ensure that a component listens once on a port, under one id."""
    for key, document in draft.documents.items():
        groups: dict[Steps, list[tuple[Steps, Any]]] = defaultdict(list)
        for pattern in ("listens.*", "components.*.listens.*"):
            for steps, listen in document.find(pattern):
                if isinstance(listen, dict):
                    groups[steps[:-1]].append((steps, listen))
        for group in groups.values():
            ids = [(key, (*steps, "id"), one.get("id")) for steps, one in group]
            yield from _alike(draft, ids, "rename one of them")
            ports = [
                (key, (*steps, "port"), f"{one['port']}/{one.get('protocol', 'tcp')}")
                for steps, one in group
                if "port" in one
            ]
            yield from _alike(draft, ports, "give all callers in one entry")


def numbers_are_given_once(draft: Draft) -> Iterator[Problem]:
    """No two sites and no two services have the same number, no two sites the same cloud."""
    for kind, name, remedy in (
        ("sites", "number", "take the next free one: addresses are derived from it"),
        ("services", "number", "take the next free one: addresses are derived from it"),
        ("sites", "cloud", "give each site a cloud of its own"),
    ):
        found = [
            (key, *one) for key, document in draft.of_kind(kind) for one in document.find(name)
        ]
        yield from _alike(draft, found, remedy)


def buckets_are_named_once(draft: Draft) -> Iterator[Problem]:
    """No two buckets have the same name, nor that of a service's backups."""
    services = {key.partition("/")[2] for key in draft.files if key.startswith("services/")}
    found = []
    for key, document in draft.of_kind("services"):
        for steps, value in document.find("buckets.*.id"):
            if str(value).endswith("-backup") and str(value).removesuffix("-backup") in services:
                what = f'is "{value}", which is kept for the copy of backups'
                yield draft.problem(key, steps, what, "take another name")
            else:
                found.append((key, steps, value))
    yield from _alike(draft, found, 'start it with the service\'s id, such as "lgsp-messages"')


def records_are_named_once(draft: Draft) -> Iterator[Problem]:
    """No two DNS records in a site's zone have the same name, nor one kept for callers inside."""
    found = []
    for key, document in draft.of_kind("services"):
        for steps, value in document.find("dns.*.name"):
            if str(value).endswith(INSIDE):
                what = f'is "{value}", which is kept for callers inside'
                yield draft.problem(
                    key, steps, what, f'take a name that does not end in "{INSIDE}"'
                )
            else:
                found.append((key, steps, value))
    yield from _alike(draft, found, "take a name of its own: all services share a site's zone")


def parts_are_not_named_as_parties(draft: Draft) -> Iterator[Problem]:
    """No component or database is named as a party outside, which a caller could mean too."""
    parties, _ = _names(draft, "city", "outside")
    for key, document in draft.of_kind("services"):
        for pattern in ("components.*.id", "databases.*.id"):
            for steps, value in document.find(pattern):
                if isinstance(value, str) and value in {*parties, EVERYONE}:
                    what = f'is "{value}", the name of a party outside or of everyone'
                    yield draft.problem(key, steps, what, f"rename the {str(steps[0])[:-1]}")


def callers_exist(draft: Draft) -> Iterator[Problem]:
    """Who may call is a component of the service or of another, a party outside, or everyone."""
    unknown: dict[str, list[tuple[str, Steps, str]]] = defaultdict(list)
    outside, outside_sure = _names(draft, "city", "outside")
    services = {key.partition("/")[2] for key in draft.files if key.startswith("services/")}
    there = services | {str(one.data.get("id")) for _, one in draft.of_kind("services")}
    components = {key: _names(draft, key, "components") for key, _ in draft.of_kind("services")}
    patterns = ("listens.*.from.*", "components.*.listens.*.from.*", "databases.*.from.*")
    for key, document in draft.documents.items():
        for steps, caller in (one for pattern in patterns for one in document.find(pattern)):
            if not isinstance(caller, str) or not _PARTY.fullmatch(caller):
                continue
            service, slash, component = caller.partition("/")
            if slash and services and service not in there:
                unknown[service].append((key, steps, caller))
            elif slash:
                known, sure = components.get(f"services/{service}", (set(), False))
                if sure and component not in known:
                    remedy = suggestion(component, known, "component")
                    what = f'is "{caller}", but {service} has no component "{component}"'
                    yield draft.problem(key, steps, what, remedy)
            else:
                own, own_sure = components.get(key, (set(), True))
                known = {*own, *outside, EVERYONE}
                if own_sure and outside_sure and caller not in known:
                    what = f'is "{caller}", which is no component here and no party outside'
                    yield draft.problem(key, steps, what, suggestion(caller, known, "party"))
    for service, places in unknown.items():
        key, steps, caller = places[0]
        more = f" (and in {len(places) - 1} more places)" if len(places) > 1 else ""
        what = f'is "{caller}", but there is no service "{service}"{more}'
        yield draft.problem(key, steps, what, suggestion(service, services, "service"))


def watchers_exist(draft: Draft) -> Iterator[Problem]:
    """Who watches the city is a component of a service, each named once."""
    if "city" not in draft.documents:
        return
    found = list(draft.documents["city"].find("watchers.*"))
    yield from _alike(draft, [("city", *one) for one in found], "keep one of them")
    services = {key.partition("/")[2] for key in draft.files if key.startswith("services/")}
    for steps, watcher in found:
        if not isinstance(watcher, str) or not _PARTY.fullmatch(watcher):
            continue
        service, _, component = watcher.rpartition("/")
        known, sure = _names(draft, f"services/{service}", "components")
        if not service:
            remedy = f"name its service too, such as operations/{component}"
            yield draft.problem("city", steps, f'is "{watcher}", which says no service', remedy)
        elif service not in services:
            what = f'is "{watcher}", but there is no service "{service}"'
            yield draft.problem("city", steps, what, suggestion(service, services, "service"))
        elif sure and component not in known:
            what = f'is "{watcher}", but {service} has no component "{component}"'
            yield draft.problem("city", steps, what, suggestion(component, known, "component"))


def called_parties_exist(draft: Draft) -> Iterator[Problem]:
    """Ensure that what is called outside is described in city.yaml."""
    for pattern in ("calls.*.to", "components.*.calls.*.to"):
        for key in draft.documents:
            yield from _unknown(draft, key, pattern, "city", "outside", "party outside")


def agencies_exist(draft: Draft) -> Iterator[Problem]:
    """Ensure that a service's agency is described in city.yaml."""
    for key, _ in draft.of_kind("services"):
        yield from _unknown(draft, key, "agency", "city", "agencies", "agency")


def flavors_and_images_exist(draft: Draft) -> Iterator[Problem]:
    """Every primary site has the flavors and images that the services name."""
    primaries = [key for key, one in draft.of_kind("sites") if one.data.get("role") == "primary"]
    for site in primaries:
        for key, _ in draft.of_kind("services"):
            for part in ("components", "databases"):
                where = f" of site {site.partition('/')[2]}"
                for name in ("flavor", "image"):
                    yield from _unknown(
                        draft, key, f"{part}.*.{name}", site, f"{name}s", name, where
                    )


def balanced_ports_exist(draft: Draft) -> Iterator[Problem]:
    """Ensure that a load balancer spreads a port that its component listens on."""
    for key, document in draft.of_kind("services"):
        for steps, listen in document.find("components.*.load_balancer.listen"):
            component = document.data["components"][steps[1]]
            known = {
                one["id"]
                for one in _listed(component.get("listens"))
                if isinstance(one, dict) and _is_id(one.get("id"))
            }
            sure = len(known) == len(_listed(component.get("listens")))
            if sure and _is_id(listen) and listen not in known:
                what = f'is "{listen}", on which the component doesn\'t listen'
                yield draft.problem(key, steps, what, suggestion(listen, known, "port"))


def records_have_targets(draft: Draft) -> Iterator[Problem]:
    """Ensure that a DNS record leads to a component or database of its service."""
    for key, document in draft.of_kind("services"):
        components, sure = _names(draft, key, "components")
        databases, also_sure = _names(draft, key, "databases")
        known = components | databases
        for steps, target in document.find("dns.*.target"):
            if sure and also_sure and _is_id(target) and target not in known:
                what = f'is "{target}", which is no component or database here'
                yield draft.problem(key, steps, what, suggestion(target, known, "component"))


def parts_of_a_site_exist(draft: Draft) -> Iterator[Problem]:
    """Ensure that what a site's racks, meters, sensors and role refer to is described."""
    for key, document in draft.of_kind("sites"):
        zones = document.data.get("zones")
        known = {one for one in _listed(zones) if isinstance(one, str)}
        for steps, zone in document.find("racks.*.zone"):
            if known and _is_id(zone) and zone not in known:
                remedy = suggestion(zone, known, "zone")
                yield draft.problem(key, steps, f'is "{zone}", which is no zone here', remedy)
        yield from _unknown(draft, key, "meters.*.parent", key, "meters", "meter")
        yield from _unknown(draft, key, "meters.*.second_parent", key, "meters", "meter")
        yield from _unknown(draft, key, "meters.*.reads.device", key, "devices", "device")
        yield from _unknown(draft, key, "sensors.*.device", key, "devices", "device")
        for pattern in ("meters.*.rack", "sensors.*.rack"):
            yield from _unknown(draft, key, pattern, key, "racks", "rack")
        sites = {one.partition("/")[2] for one in draft.files if one.startswith("sites/")}
        stands_in = document.data.get("stands_in_for")
        if _is_id(stands_in) and stands_in not in sites:
            what = f'is "{stands_in}", but there is no such site'
            remedy = suggestion(stands_in, sites, "site")
            yield draft.problem(key, ("stands_in_for",), what, remedy)


def _unknown(  # noqa: PLR0913, PLR0917 - a name's use, its home and how to tell of it
    draft: Draft, key: str, pattern: str, home: str, field: str, kind: str, where: str = ""
) -> Iterator[Problem]:
    """Tell of each name that a file uses but the list at its home doesn't have."""
    known, sure = _names(draft, home, field)
    for steps, value in draft.documents[key].find(pattern) if sure else ():
        if _is_id(value) and value not in known:
            what = f'is "{value}", which is no {kind}{where}'
            yield draft.problem(key, steps, what, suggestion(value, known, kind))


def _names(draft: Draft, key: str, field: str) -> tuple[set[str], bool]:
    """Return the ids in a file's list and whether these are all: a faulty entry may be any."""
    document = draft.documents.get(key)
    if document is None:
        return set(), False
    entries = _listed(document.data.get(field))
    ids = [one.get("id") if isinstance(one, dict) else None for one in entries]
    absent = field not in document.data and key in draft.models
    sure = absent or (isinstance(document.data.get(field), list) and all(map(_is_id, ids)))
    return {one for one in ids if isinstance(one, str)}, sure


def _alike(draft: Draft, found: Iterable[tuple[str, Steps, Any]], remedy: str) -> Iterator[Problem]:
    """Tell of each value that an earlier place has already."""
    first: dict[Any, tuple[str, Steps]] = {}
    for key, steps, value in found:
        if not isinstance(value, str | int):
            continue
        if value in first:
            other, there = first[value]
            line = draft.documents[other].values.get(there, (1, 1))[0]
            place = f"in line {line}" if other == key else f"in {other}.yaml, line {line}"
            yield draft.problem(key, steps, f"is {value} as {place}", remedy)
        else:
            first[value] = key, steps


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
