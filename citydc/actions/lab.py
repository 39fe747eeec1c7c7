"""`citydc lab ...`: the whole city's clouds on this machine."""

from typing import Annotated

import typer

from catalogue.errors import BadInputError
from citydc import console
from citydc.actions._options import JsonOption, YesOption

app = typer.Typer(
    help="Two OpenStack sites on this machine, to try everything on.", no_args_is_help=True
)


@app.command("up")
def up() -> None:
    """
    Start the lab, or repair what is half up; return when all of it answers.

    Example: citydc lab up
    """
    from lab import hosting
    from lab.control import Lab

    lab = Lab.default()
    started = lab.up(console.note)
    state = "is up already" if started.already else "is ready"
    console.say(f"The lab {state} ({started.seconds:.1f} s); its clouds are in {lab.clouds_file}")
    console.say(f"Its devices' credentials: CITYDC_DEVICE_CREDENTIALS={lab.device_credentials}")
    if not lab.has_hosts:
        lacking = hosting.missing()
        console.say(f"Its servers boot nothing{': ' if lacking else ''}{lacking}")
        console.say("For real hosts: citydc lab reset, then citydc lab up")


@app.command("status")
def status(*, as_json: JsonOption = False) -> None:
    """
    Show what runs, where, since when, and how much memory it takes.

    Exit code 1 when it is not up.  Example: citydc lab status --json
    """
    from lab.control import Lab

    found = Lab.default().status()
    if as_json:
        console.print_json(found)
    else:
        for name, site in found["sites"].items():
            console.say(f"{name}: {site['state']}, {site['auth_url']}")
            console.table(
                ("service", "port", "pid", "since", "MiB"),
                [
                    (
                        service,
                        *(str(one[key] or "-") for key in ("port", "pid", "since")),
                        str(one["memory_mib"] or "-"),
                    )
                    for service, one in site["services"].items()
                ],
            )
        console.table(
            ("monitoring", "pid", "since", "MiB"),
            [
                (name, *(str(one[key] or "-") for key in ("pid", "since", "memory_mib")))
                for name, one in found["monitoring"].items()
            ],
        )
        kind = "real hosts" if found["real_hosts"] else "servers that boot nothing"
        console.say(f"{len(found['hosts'])} {kind}, {found['memory_mib']:.0f} MiB in all")
    raise typer.Exit(int(not found["up"]))


@app.command("monitor")
def monitor() -> None:
    """
    Start the exporters, Prometheus, Alertmanager and VictoriaMetrics, until lab down.

    Called again, it starts what has ended or has something new to know.  Without a deployment there
    is the energy exporter alone.  Example: citydc lab monitor
    """
    from citydc import project
    from lab.control import Lab
    from lab.deployed import outputs

    place = project.find()
    try:
        deployed = outputs(place)
    except BadInputError as problem:
        console.note(f"what is deployed can't be read: {problem}")
        deployed = {}
    found = Lab.default().monitor(deployed, place.secrets, console.note)
    for what, why in found.lacking.items():
        console.say(f"Not measured: {what}; {why}")
    console.say(f"Prometheus: http://{found.servers.prometheus}/alerts")
    console.say(f"Alertmanager: http://{found.servers.alertmanager}/")
    console.say(f"VictoriaMetrics, which keeps for long: http://{found.servers.store}/vmui/")
    console.say("What they know: citydc lab figures")


@app.command("figures")
def figures(
    *,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Until each site has a PUE, so long.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """
    Show what is measured now: indicators, availability, collectors, headroom, replication.

    Example: citydc lab figures --json
    """
    import time

    from citydc.actions._figures import show
    from lab.control import Lab
    from lab.monitoring.figures import read, told

    deadline = time.monotonic() + wait
    found = read(Lab.default().prometheus)
    while not told(found) and time.monotonic() < deadline:
        time.sleep(1)
        found = read(Lab.default().prometheus)
    if as_json:
        console.print_json(found)
    else:
        show(found)


@app.command("overload")
def overload(
    site: Annotated[str, typer.Argument(metavar="SITE", help="main or backup")],
    ups: Annotated[str, typer.Argument(metavar="UPS", help="such as ups-a")],
    minutes: Annotated[float, typer.Option(min=0.1, help="for so long")] = 60,
) -> None:
    """
    Overload a UPS of a site, as if someone had plugged in too much: it shows at its meters.

    Example: citydc lab overload main ups-a --minutes 5
    """
    from lab.control import Lab

    Lab.default().overload(site, ups, minutes)
    console.say(f"{ups} of {site} carries a tenth more than it can for {minutes:g} min.")


@app.command("relieve")
def relieve(
    site: Annotated[str, typer.Argument(metavar="SITE", help="main or backup")],
) -> None:
    """
    End the overloads of a site's UPSs.

    Example: citydc lab relieve main
    """
    from lab.control import Lab

    ended = Lab.default().relieve(site)
    console.say("What overloaded it is gone." if ended else "No UPS was overloaded.")


@app.command("halt")
def halt(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="such as open-data")],
) -> None:
    """
    Stop a service's servers at both sites, as if it had failed, until it is resumed.

    Example: citydc lab halt open-data
    """
    from lab.control import Lab

    console.say(f"{service}: {Lab.default().halt(service)} servers are stopped.")


@app.command("resume")
def resume(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="one that was halted")],
) -> None:
    """
    Start the servers that halt stopped.

    Example: citydc lab resume open-data
    """
    from lab.control import Lab

    started = Lab.default().resume(service)
    console.say(f"{service}: {started} servers run again." if started else "It was not halted.")


@app.command("alarm")
def alarm() -> None:
    """
    Overload a UPS and stop a service until their alerts fire; undo both until all is resolved.

    Takes up to five minutes.  Example: citydc lab alarm
    """
    from lab.control import Lab

    Lab.default().alarm(console.say)


@app.command("down")
def down() -> None:
    """
    End all of the lab's processes; what the sites hold stays.

    Example: citydc lab down
    """
    from lab.control import Lab

    console.say("The lab is down." if Lab.default().down() else "The lab was not up.")


@app.command("reset")
def reset(*, yes: YesOption = False) -> None:
    """
    End the lab and remove all that its sites hold.

    Example: citydc lab reset --yes
    """
    from citydc.actions._confirm import confirm
    from lab.control import Lab

    lab = Lab.default()
    if not yes:
        confirm(f"Remove all of {lab.home}?")
    lab.reset()
    console.say(f"{lab.home} is gone.")
