"""Everything says whose it is and what it is for."""

from collections import defaultdict
from collections.abc import Iterator

from catalogue.model import Database
from infra.graph import Resource
from policies.frameworks import cis, cite, iso
from policies.model import Book, about
from policies.view import View, kind_of

BOOK = Book([])

INVENTORY = (iso("5.9", "5.13"), cis("1.1"))
OF_PARTS = (
    "Instance", "Volume", "Port", "Network", "Subnet", "SecGroup", "LoadBalancer", "FloatingIp",
)  # fmt: skip
TAGGED = (
    "Network", "Subnet", "Port", "Router", "SecGroup", "SubnetPool", "LoadBalancer", "FloatingIp",
    "Instance", "Image", "Project",
)  # fmt: skip
NAMED = (
    *TAGGED, "Volume", "Container", "ServerGroup", "Listener", "Pool", "Monitor", "Flavor",
    "Keypair", "AddressScope", "GroupV3",
)  # fmt: skip
OF_NO_PART = {"baseline", "link"}
"""Names of what the operator has for all."""


@BOOK.each(
    about(
        "ownership-label",
        "high",
        "Everything of a component says its agency, service, component, level and tier",
        "Mọi tài nguyên của thành phần ghi rõ cơ quan, dịch vụ, thành phần, cấp độ và mức phục hồi",
        "Servers and data that nobody owns when something happens to them.",
        "Deploy from the catalogue; give what you add by hand the same labels.",
        *INVENTORY,
    ),
    *OF_PARTS,
)
def label(view: View, one: Resource) -> Iterator[str]:
    """Look for the labels; routers' ports and what all share have only some."""
    said = view.labels(one)
    shared = one.name.partition("-ipv")[0] in OF_NO_PART
    if shared or one.urn in view.pointing("RouterInterface", "portId", "Port"):
        return
    wanted = ["agency", "service", "site", "security_level", "recovery_tier"]
    if kind_of(one) != "Container":
        wanted += ["component", "tier"]
    for name in wanted:
        if not said.get(name):
            yield f"does not say its {name}"


@BOOK.each(
    about(
        "ownership-container-label",
        "high",
        "Every container says its agency, service, level and tier",
        "Mọi kho đối tượng ghi rõ cơ quan, dịch vụ, cấp độ và mức phục hồi",
        "Data that nobody owns, kept for ever or deleted by mistake.",
        "Declare the bucket in the service's file.",
        *INVENTORY,
    ),
    "Container",
)
def container_label(view: View, container: Resource) -> Iterator[str]:
    """Look for the labels."""
    said = view.labels(container)
    for name in ("agency", "service", "site", "security_level", "recovery_tier"):
        if not said.get(name):
            yield f"does not say its {name}"


@BOOK.each(
    about(
        "ownership-site",
        "medium",
        "Everything says the site that it is at",
        "Mọi tài nguyên ghi đúng trung tâm dữ liệu chứa nó",
        "Figures and drills that count one site's servers for the other's.",
        "Deploy the stack that is named for the site.",
        *INVENTORY,
    ),
    *OF_PARTS,
    "Container",
    "Router",
    "SubnetPool",
)
def site(view: View, one: Resource) -> Iterator[str]:
    """Compare the label with the stack's site."""
    said = view.labels(one).get("site")
    if said != view.site.id:
        yield f"says the site {said or 'of none'}, but is at {view.site.id}"


@BOOK.each(
    about(
        "ownership-owner",
        "high",
        "The agency that a resource names owns its service",
        "Cơ quan ghi trên tài nguyên đúng là chủ quản dịch vụ",
        "Questions, bills and rights that go to the wrong agency.",
        "Correct `agency` in the service's file and deploy.",
        *INVENTORY,
    ),
    *OF_PARTS,
    "Container",
)
def owner(view: View, one: Resource) -> Iterator[str]:
    """Compare agency and service with the catalogue."""
    said = view.labels(one)
    if "service" not in said:
        return
    service = view.catalogue.services.get(said["service"])
    if service is None:
        yield f"says the service {said['service']}, which the catalogue does not have"
    elif said.get("agency") != service.agency:
        yield f"says {said.get('agency')}, but {service.id} is {service.agency}'s"


@BOOK.each(
    about(
        "ownership-component",
        "high",
        "The component that a resource names exists, and is named in it",
        "Thành phần ghi trên tài nguyên có trong danh mục và khớp tên",
        "Servers outside the catalogue: unguarded, unmeasured, never recovered.",
        "Declare the component, or remove the resource.",
        *INVENTORY,
    ),
    *OF_PARTS,
)
def component(view: View, one: Resource) -> Iterator[str]:
    """Compare component and tier with the catalogue, and the name with both."""
    said = view.labels(one)
    if "component" not in said or "service" not in said:
        return
    found = view.part(one)
    if found is None:
        yield f"says {said['service']}-{said['component']}, which the catalogue does not have"
        return
    tier = "database" if isinstance(found[1], Database) else found[1].tier
    if said.get("tier") != tier:
        yield f"says the tier {said.get('tier')}, but is of {tier}"
    roles = {"primary", "standby"} if tier == "database" else {"server"}
    if kind_of(one) == "Instance" and said.get("role") not in roles:
        yield f"says the role {said.get('role')}, not {' or '.join(sorted(roles))}"
    if not one.name.startswith(f"{found[0].id}-{found[1].id}"):
        yield f"says {found[0].id}-{found[1].id}, but is named {one.name}"


@BOOK.each(
    about(
        "ownership-level",
        "high",
        "The security level that a resource names is its service's",
        "Cấp độ an toàn ghi trên tài nguyên đúng với dịch vụ",
        "Controls of a lower level than the approved one.",
        "Correct `security_level` in the service's file and deploy.",
        iso("5.12", "5.13"),
        cite("Decree 85/2016/ND-CP", "art. 5"),
    ),
    *OF_PARTS,
    "Container",
)
def level(view: View, one: Resource) -> Iterator[str]:
    """Compare the label with the catalogue."""
    said = view.labels(one)
    service = view.catalogue.services.get(said.get("service", ""))
    if service and said.get("security_level") != str(service.security_level):
        yield f"says level {said.get('security_level')}, approved is {service.security_level}"


@BOOK.each(
    about(
        "ownership-tier",
        "medium",
        "The recovery tier that a resource names is its service's",
        "Mức phục hồi ghi trên tài nguyên đúng với dịch vụ",
        "A drill that leaves the service out.",
        "Correct `recovery.tier` in the service's file and deploy.",
        iso("5.13", "5.30"),
    ),
    *OF_PARTS,
    "Container",
)
def tier(view: View, one: Resource) -> Iterator[str]:
    """Compare the label with the catalogue."""
    said = view.labels(one)
    service = view.catalogue.services.get(said.get("service", ""))
    if service and said.get("recovery_tier") != service.recovery.tier.value:
        yield f"says {said.get('recovery_tier')}, promised is {service.recovery.tier.value}"


@BOOK.each(
    about(
        "ownership-mark",
        "low",
        "Everything that has tags says that citydc made it",
        "Mọi tài nguyên có nhãn đều ghi do citydc tạo ra",
        "Objects that a person changes or removes by hand, not knowing whose they are.",
        'Give the resource the tag "citydc".',
        *INVENTORY,
    ),
    *TAGGED,
)
def mark(view: View, one: Resource) -> Iterator[str]:
    """Look for the tag."""
    if "citydc" not in view.every(one, "tags"):
        yield 'has no tag "citydc"'


@BOOK.stack(
    about(
        "ownership-name",
        "medium",
        "Everything is named in the cloud as in the stack, and once",
        "Tên tài nguyên trên đám mây khớp với ngăn xếp và không trùng lặp",
        "Two objects of one name, and a hand that picks the wrong one.",
        "Leave names to the program.",
        *INVENTORY,
    )
)
def name(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare names, kind by kind."""
    for kind in NAMED:
        seen: dict[object, list[Resource]] = defaultdict(list)
        for one in view.of(kind):
            said = view.get(one, "description" if kind == "FloatingIp" else "name")
            seen[said].append(one)
            if said != one.name:
                yield one, f"is named {said or 'nothing'}"
        for said, some in seen.items():
            for one in some[1:]:
                yield one, f"is the second {kind} named {said}"


@BOOK.each(
    about(
        "ownership-description",
        "low",
        "Groups, rules, projects and pools say what they are for",
        "Nhóm, quy tắc, dự án và dải địa chỉ có mô tả mục đích",
        "Rules that nobody dares to remove because nobody knows why they are there.",
        "Give a description.",
        iso("5.9"),
    ),
    "SecGroup",
    "SecGroupRule",
    "Project",
    "GroupV3",
    "SubnetPool",
    "Zone",
)
def description(view: View, one: Resource) -> Iterator[str]:
    """Look for text."""
    if not str(view.get(one, "description") or "").strip():
        yield "has no description"


@BOOK.stack(
    about(
        "ownership-stack",
        "high",
        "Everything in the city's projects is of its stack",
        "Mọi tài nguyên trong các dự án của thành phố đều thuộc ngăn xếp",
        "What somebody made by hand: no review has seen it, and no deploy or drill restores it.",
        "Declare it in the catalogue and deploy, or remove it.",
        iso("5.9", "8.32"),
        cis("1.2"),
    )
)
def stack(view: View) -> Iterator[tuple[Resource, str]]:
    """Look for what only the live cloud has."""
    for one in view.graph.resources:
        if not one.managed:
            yield one, "was made by hand: no state has it"
