"""
The same rules as a CrossGuard policy pack, each as a stack validation policy.

The CLI gives a resource's outputs where `citydc policy` reads its inputs; both have the same names.
The CLI tells no ids apart from the outputs' own, and whether a value is a secret it does not tell.
"""

import functools

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    PolicyComplianceFramework,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.deserialize import serialize_properties

import catalogue
from catalogue import images, recovery
from catalogue.errors import BadInputError
from catalogue.model import Profile
from infra import offline
from infra.graph import Graph, Resource
from infra.settings import CHECKOUT, Settings
from policies import gate, waivers
from policies.model import Rule, Source
from policies.rules import RULES
from policies.sources import STACK, known_id, opened
from policies.view import View

NAME = "citydc"
WAIVERS = "waivers"
"""The policy that judges the waivers themselves."""


def start() -> None:
    """Serve the pack until its CLI ends it."""
    PolicyPack(
        NAME,
        policies=[*map(_policy, RULES), _waivers()],
        enforcement_level=EnforcementLevel.MANDATORY,
    )


def _policy(rule: Rule) -> StackValidationPolicy:
    about = rule.about
    first = about.frameworks[0]
    return StackValidationPolicy(
        name=rule.id,
        description=about.title.en,
        display_name=about.title.en,
        validate=functools.partial(_validate, rule),
        severity=Severity(about.severity.value),
        framework=PolicyComplianceFramework(
            name=first.framework, version="", reference=first.clause, specification=first.title
        ),
        tags=[about.topic.value],
        remediation_steps=about.remedy,
    )


def _validate(rule: Rule, args: StackValidationArgs, report: ReportViolation) -> None:
    """Report what the rule finds; what is waived is left out, what is unknown closes the gate."""
    view = RUN.view(rule.id, args.resources)
    found = gate.find(view, [rule])
    held = waivers.in_force(waivers.read(), view, Source.PREVIEW)
    for one in found.violations:
        if not any(waiver.covers(one) for waiver in held):
            report(one.message, one.urn)
    for one in (*found.unknown, *found.errors):
        report(one.message, one.urn)


def _waivers() -> StackValidationPolicy:
    return StackValidationPolicy(
        name=WAIVERS,
        description="Waivers hold: none has expired, each matches something",
        validate=_validate_waivers,
    )


def _validate_waivers(args: StackValidationArgs, report: ReportViolation) -> None:
    view, accepted = RUN.view(WAIVERS, args.resources), waivers.read()
    named = {one.rule for one in accepted}
    found = gate.find(view, [one for one in RULES if one.id in named])
    known = {one.id for one in RULES}
    for one in waivers.faults(accepted, view, Source.PREVIEW, found.violations, known):
        report(one.message, one.urn)


class Run:
    """
    A stack that the CLI hands over, read once for all policies.

    The CLI hands it over for each policy anew; a policy's second turn is another stack.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._view: View | None = None

    def view(self, policy: str, resources: list[PolicyResource]) -> View:
        """Return the stack as rules see it.  Raise BadInputError if it is no stack of ours."""
        if self._view is None or policy in self._seen:
            self._seen, self._view = set(), _read(resources)
        self._seen.add(policy)
        return self._view


RUN = Run()


def _read(resources: list[PolicyResource]) -> View:
    stack = next((one for one in resources if one.resource_type == STACK), None)
    outputs = opened(serialize_properties(stack.props)) if stack else {}
    site_id = stack.urn.split("::")[0].removeprefix("urn:pulumi:") if stack else ""
    config = pulumi.Config("citydc")
    folder, profile = config.get("catalogue"), outputs.get("profile") or config.get("profile")
    known = catalogue.load((CHECKOUT / folder).resolve() if folder else None)
    known = images.pinned(known, site_id, config.get_object(images.KEY))
    if site_id not in known.sites or profile not in list(Profile):
        raise BadInputError(
            f'the stack "{site_id}" cannot be judged',
            why="its name is no site of the catalogue, or it has no profile",
            remedy="set citydc:profile in the stack's configuration",
        )
    site = known.sites[site_id]
    peers = {
        one.id: offline.run(Settings(known, one, Profile(profile)))
        for one in recovery.peers(known, site)
    }
    graph = Graph([_resource(one) for one in resources], outputs)
    return View(graph, known, site, Profile(profile), peers)


def _resource(one: PolicyResource) -> Resource:
    props = opened(serialize_properties(one.props))
    return Resource(
        urn=one.urn,
        type=one.resource_type,
        name=one.name,
        inputs=props,
        parent=one.parent.urn if one.parent else "",
        provider=one.provider.urn if one.provider else "",
        dependencies=_urns(one.dependencies),
        protect=bool(one.opts.protect),
        id=known_id(props.get("id")),
        property_dependencies={
            name: _urns(some) for name, some in one.property_dependencies.items()
        },
    )


def _urns(resources: list[PolicyResource]) -> tuple[str, ...]:
    return tuple(one.urn for one in resources)
