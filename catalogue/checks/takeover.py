"""Recovery: that another site can do what the services promise for the loss of their own."""

from collections.abc import Iterator

from catalogue.documents import Steps
from catalogue.loading import Draft, located_parts
from catalogue.model import (
    Capability,
    Profile,
    RecoveryClass,
    RecoveryTier,
    Service,
    Site,
)
from catalogue.problems import Problem, suggestion


def primaries_have_standbys(draft: Draft) -> Iterator[Problem]:
    """Ensure that a standby names the primary it stands in for, and every primary has a standby."""
    sites = {key.partition("/")[2]: document.data for key, document in draft.of_kind("sites")}
    primaries = {name for name, data in sites.items() if data.get("role") == "primary"}
    stood_in = {
        str(data.get("stands_in_for")) for data in sites.values() if data.get("role") == "standby"
    }
    readable = len(sites) == sum(key.startswith("sites/") for key in draft.files)
    sure = readable and stood_in <= primaries
    for name, data in sites.items():
        key, target = f"sites/{name}", data.get("stands_in_for")
        if data.get("role") == "standby" and target is None and key in draft.models:
            remedy = f"add stands_in_for; {suggestion('', primaries, 'primary site')}"
            yield draft.problem(key, ("stands_in_for",), "is missing at a standby site", remedy)
        elif data.get("role") == "standby" and sites.get(str(target), {}).get("role") == "standby":
            what = f'is "{target}", which is a standby site itself'
            yield draft.problem(key, ("stands_in_for",), what, "name a primary site")
        elif name in primaries and target is not None:
            remedy = "remove it, or make the site's role standby"
            yield draft.problem(key, ("stands_in_for",), "is given at a primary site", remedy)
        elif name in primaries and sure and name not in stood_in:
            what = "is a primary site that no other stands in for"
            remedy = f"describe a standby site with stands_in_for: {name}"
            yield draft.problem(key, ("role",), what, remedy)


def tiers_are_described(draft: Draft) -> Iterator[Problem]:
    """city.yaml says what each recovery tier means that a service has."""
    city = draft.documents.get("city")
    if city is None or not isinstance(city.data.get("recovery"), list):
        return
    known = {str(value) for _, value in city.find("recovery.*.tier")}
    if len(known) < len(city.data["recovery"]) or not known <= {*RecoveryTier}:
        return
    for tier in RecoveryTier:
        users = [
            key
            for key, document in draft.of_kind("services")
            for _, value in document.find("recovery.tier")
            if value == tier
        ]
        if tier.value not in known and users:
            what = f"doesn't say what {tier} means, which {users[0].partition('/')[2]} has"
            yield draft.problem("city", ("recovery",), what, f"add an entry for {tier}")


def promises_can_be_kept(draft: Draft) -> Iterator[Problem]:
    """No service promises to be back sooner, or to lose less, than its tier's mechanism can."""
    for key, service in draft.services.items():
        promised, can = service.recovery, _class(draft, service)
        for field in ("rto_minutes", "rpo_minutes") if can else ():
            here, shortest = getattr(promised, field), getattr(can, field)
            if here < shortest:
                what = f"{here} minutes are promised, but {promised.tier} needs {shortest}"
                remedy = f"promise {shortest} or more, or choose a stronger tier"
                steps = ("recovery", field)
                yield draft.problem(f"services/{key}", steps, what, remedy)


def standbys_have_what_they_need(draft: Draft) -> Iterator[Problem]:
    """Each service has its counterpart at the standby sites: flavors, images, GPUs, storage."""
    standbys = {name: site for name, site in draft.sites.items() if site.role == "standby"}
    for name, site in standbys.items():
        if Capability.OBJECT_STORAGE not in site.capabilities:
            what = "lack object-storage, so no service's backups can be kept here"
            remedy = "add the capability when the cloud has it"
            yield draft.problem(f"sites/{name}", ("capabilities",), what, remedy)
        linked = site.link and Capability.VLAN_NETWORKS in site.capabilities
        replicated = [
            key for key, one in draft.services.items() if (can := _class(draft, one)) and can.data
        ]
        if replicated and not linked:
            what = f"has no inter-site link, by which {replicated[0]} must be replicated"
            remedy = "describe the link and list vlan-networks among the capabilities"
            yield draft.problem(f"sites/{name}", ("link",), what, remedy)
        for key, service in draft.services.items():
            if (can := _class(draft, service)) and can.data:
                for steps, what, remedy in _lacking(site, service):
                    yield draft.problem(f"services/{key}", steps, what, remedy)


def _lacking(site: Site, service: Service) -> Iterator[tuple[Steps, str, str]]:
    """Yield what the standby site lacks to run the service, as it must after a takeover."""
    flavors = {one.id for one in site.flavors}
    images = {one.id for one in site.images}
    why = f"but {service.recovery.tier} needs its counterpart at site {site.id}"
    remedy = f"describe it in sites/{site.id}.yaml, or make the service backup-only"
    for steps, part in located_parts(service):
        if part.flavor not in flavors:
            yield (*steps, "flavor"), f"{part.flavor} is no flavor there, {why}", remedy
        if part.image not in images:
            yield (*steps, "image"), f"{part.image} is no image there, {why}", remedy


def primaries_are_single(draft: Draft) -> Iterator[Problem]:
    """Ensure that a database has one primary server, or none where the lab leaves it out."""
    for key, service in draft.services.items():
        for index, database in enumerate(service.databases):
            steps = ("databases", index, "primary")
            if database.primary.production != 1:
                what = f"{database.primary.production} primary servers"
                remedy = "write 1; what follows it are standbys"
                yield draft.problem(f"services/{key}", (*steps, "production"), what, remedy)
            if database.primary.lab > 1 or database.primary.lab < database.standbys.lab > 0:
                what = f"{database.primary.lab} primary servers"
                if database.primary.lab == 0:
                    what += " but standbys"
                remedy = "write 1, or 0 without standbys"
                yield draft.problem(f"services/{key}", (*steps, Profile.LAB.value), what, remedy)


def _class(draft: Draft, service: Service) -> RecoveryClass | None:
    classes = draft.city.recovery if draft.city else []
    return next((one for one in classes if one.tier is service.recovery.tier), None)


def watchers_stand_at_every_site(draft: Draft) -> Iterator[Problem]:
    """Who watches the city has a network at standby sites too."""
    city = draft.city
    having = {one.tier for one in city.recovery if one.data or one.servers} if city else set()
    for index, watcher in enumerate(city.watchers if city else ()):
        service = draft.services.get(watcher.partition("/")[0])
        if service and service.recovery.tier not in having:
            what = f'is "{watcher}", whose service is {service.recovery.tier} and has no network'
            remedy = "give its service a tier that keeps data or servers at standby sites"
            yield draft.problem("city", ("watchers", index), f"{what} at standby sites", remedy)
