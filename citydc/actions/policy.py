"""`citydc policy SITE`: the gate, on the preview, on what was deployed or on what there is."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalogue.errors import BadInputError
from citydc import console
from citydc.actions._options import EngineOption, JsonOption

if TYPE_CHECKING:
    from citydc.engines import Target
    from infra.graph import Graph
    from policies.gate import Report
    from policies.model import Finding, Source
    from policies.view import View

RULES = "rules"
"""What is named instead of a site to see the rules."""


def policy(
    site: Annotated[
        str, typer.Argument(metavar="SITE|rules", help='A site, or "rules" to list the rules.')
    ],
    *,
    state: Annotated[
        bool, typer.Option("--state", help="Judge what was deployed, not the preview.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Judge what the cloud has now, made by hand or not; tell where preview and state"
            " differ.",
        ),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Judge what preview --save-plan saved."),
    ] = None,
    state_follows: Annotated[
        bool,
        typer.Option(
            "--state-follows",
            help="What the preview cannot know yet is judged with --state after the deploy.",
        ),
    ] = False,
    as_json: JsonOption = False,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write SARIF 2.1.0 as well.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML as well.")
    ] = None,
    engine: EngineOption = None,
) -> None:
    """
    Judge SITE by all rules; nothing is changed.

    Exit code 1 when the gate is closed.  Example: citydc policy main --live --sarif main.sarif
    """
    if site == RULES:
        _rules(as_json=as_json)
        return

    if sum((state, live, plan is not None)) > 1:
        raise BadInputError(
            "--state, --live and --plan are three ways to judge", remedy="give one of them"
        )

    from citydc.engines import target
    from policies import gate, waivers
    from policies.model import Source

    on = Source.LIVE if live else Source.STATE if state else Source.PREVIEW
    accepted = waivers.read()
    found = target(site, engine)
    console.note(found.headline)
    views = _views(site, _graphs(found, on, plan))
    report = gate.judge(
        views.pop(on),
        accepted,
        on=on,
        state_follows=state_follows and on is Source.PREVIEW,
        others=views,
    )
    _write(report, sarif, junit)
    if as_json:
        console.print_json(report.as_json())
    else:
        _show(report)
    raise typer.Exit(int(not report.passed))


def _graphs(found: "Target", on: "Source", plan: Path | None) -> "dict[Source, Graph]":
    """Return the stack as it is judged; of the live cloud, also what it is compared with."""
    from citydc import live, plans
    from policies import sources
    from policies.model import Source

    if plan:
        goals = plans.read(plan, found.engine).plan.goals
        graph = sources.of_checkpoint({"resources": list(goals.values())})
        _refuse_empty(found.site.id, graph, deployed=False)
        return {on: graph}
    site = found.site
    graphs: dict[Source, Graph] = {}
    with console.Steps("previewing" if on is Source.PREVIEW else "reading") as steps:
        for one in (Source.STATE, Source.LIVE, Source.PREVIEW):
            if on not in {one, Source.LIVE}:
                continue
            if one is Source.LIVE:
                graphs[one] = live.graph(site, graphs[Source.STATE])
                continue
            deployed = one is Source.STATE
            told = found.engine.checkpoint(steps, deployed=deployed)
            graphs[one] = sources.of_checkpoint(told)
            _refuse_empty(site.id, graphs[one], deployed=deployed)
    return graphs


def _refuse_empty(site: str, graph: "Graph", *, deployed: bool) -> None:
    if not graph.resources or not graph.outputs:
        raise BadInputError(
            f'the stack "{site}" is {"not deployed" if deployed else "empty"}',
            why="it has no resources or no outputs, so that there is nothing to judge",
            remedy=f"citydc deploy {site}" if deployed else "let the program declare something",
        )


def _views(site_id: str, graphs: "dict[Source, Graph]") -> "dict[Source, View]":
    """Return the stack as rules see it, beside the other sites' as the program has them."""
    import catalogue
    from catalogue import images, recovery
    from catalogue.model import Profile
    from citydc import project
    from infra import offline
    from infra.settings import Settings
    from policies.view import View

    place = project.find()
    known = images.pinned(
        catalogue.load(place.catalogue(site_id)), site_id, place.setting(site_id, images.KEY)
    )
    site, views = known.sites[site_id], {}
    peers: dict[Profile, dict[str, Graph]] = {}
    for on, graph in graphs.items():
        profile = Profile(graph.outputs["profile"])
        if profile not in peers:
            peers[profile] = {
                one.id: offline.run(Settings(known, one, profile))
                for one in recovery.peers(known, site)
            }
        views[on] = View(graph, known, site, profile, peers[profile])
    return views


def _write(report: "Report", sarif: Path | None, junit: Path | None) -> None:
    from citydc.actions._report import write
    from policies import reports

    if sarif:
        write(sarif, json.dumps(reports.sarif(report), ensure_ascii=False, indent=2) + "\n")
    if junit:
        write(junit, reports.junit(report))


def _show(report: "Report") -> None:
    also = report.also_on if report.others else None
    _findings("violations", report.found.violations, also)
    _findings("unknown before the deployment", report.found.unknown)
    _findings("failed", [*report.found.errors, *report.waiver_faults])
    if report.waivers:
        console.say(f"waivers: {len(report.waivers)}")
        _table(
            [
                (
                    one.rule,
                    f"{sum(waiver == one for _, waiver in report.waived)} waived here",
                    one.owner,
                    f"until {one.expiry}",
                    one.reason.strip(),
                )
                for one in report.waivers
            ]
        )
    if report.elsewhere:
        where = dict(report.elsewhere)
        _findings(f"not {report.on}, but elsewhere", list(where), where.__getitem__)
    if report.state_follows and report.found.unknown:
        console.say(f"After the deploy: citydc policy {report.site} --state")
    word = "open" if report.passed else "closed"
    console.say(
        f"{report.site}, {report.on}: the gate is {word} ({report.rules} rules,"
        f" {len(report.found.violations)} violations, {len(report.found.unknown)} unknown,"
        f" {len(report.waived)} waived)"
    )


def _findings(
    title: str,
    findings: "list[Finding]",
    where: "Callable[[Finding], Sequence[Source]] | None" = None,
) -> None:
    """Print the findings; `where` says on which other sources one is, if there were any."""
    if findings:
        console.say(f"{title}: {len(findings)}")
        _table(
            [
                (
                    one.severity,
                    *([", ".join(where(one)) or "live only"] if where else []),
                    one.rule,
                    one.urn.rpartition("::")[2],
                    one.message,
                )
                for one in findings
            ]
        )


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns, the last as long as it is: nothing of a finding is cut off."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        console.say("  ".join(["", *cells, row[-1]]))


def _rules(*, as_json: bool) -> None:
    from policies import reference
    from policies.rules import RULES as KNOWN

    if as_json:
        console.print_json({"rules": [reference.as_json(one) for one in KNOWN]})
        return
    _table([(one.about.severity.value, one.id, one.about.title.en) for one in KNOWN])
