"""`citydc exporter ...`: what measures the data centres, for Prometheus."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalogue.model import Profile
from citydc import console
from citydc.actions._options import JsonOption

if TYPE_CHECKING:
    from exporters.energy.books import Books

app = typer.Typer(
    help="Measure the data centres; Prometheus scrapes what was measured.", no_args_is_help=True
)
books = typer.Typer(
    help="Verify the energy exporter's ledger, and write down what only people know.",
    no_args_is_help=True,
)
app.add_typer(books, name="ledger")

WebConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--web-config",
        metavar="FILE",
        help="TLS and basic auth, as Prometheus's exporter-toolkit has them.",
    ),
]
ListenOption = Annotated[
    str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Beyond loopback only with TLS.")
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--catalogue", metavar="FOLDER", help="Another catalogue than the city's own."),
]
ProfileOption = Annotated[
    Profile, typer.Option("--profile", help="At whose addresses the devices are read.")
]
LedgerArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The ledger.")]
MeterArgument = Annotated[str, typer.Argument(metavar="SITE/METER", help="Such as main/ups-a.")]
AuthorOption = Annotated[str, typer.Option("--author", help="Who says so.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, and by which document.")]
OutputsOption = Annotated[
    list[Path],
    typer.Option(
        "--outputs",
        metavar="FILE",
        help="A stack's outputs, as `pulumi stack output --json` prints them; once for each site.",
    ),
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option(
        "--authority",
        metavar="FILE",
        help="Certificates that those of the servers asked are checked against; else the system's.",
    ),
]


@app.command("energy")
def energy(
    *,
    device: Annotated[
        str | None,
        typer.Option("--try", metavar="DEVICE", help="Read one device once and show what it says."),
    ] = None,
    listen: ListenOption = "127.0.0.1:9811",
    web_config: WebConfigOption = None,
    folder: FolderOption = None,
    ledger: Annotated[
        Path, typer.Option("--ledger", metavar="FILE", help="Where all that is counted is written.")
    ] = Path("energy.sqlite"),
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="SITE", help="Only this one; repeatable.")
    ] = None,
    profile: ProfileOption = Profile.PRODUCTION,
    interval: Annotated[
        float, typer.Option(min=0, max=900, metavar="SECONDS", help="0: read by /probe only.")
    ] = 60,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60, metavar="SECONDS", help="Of one reading of a device.")
    ] = 10,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Only the I-th of N parts of the devices.")
    ] = "1/1",
    as_json: JsonOption = False,
) -> None:
    """
    Read the devices of the sites, keep the ledger, and show energy, water and indicators.

    Credentials are in the file that CITYDC_DEVICE_CREDENTIALS names (mode 0600).

    Example: citydc exporter energy --ledger /var/lib/citydc/energy.sqlite

    Example: citydc exporter energy --try main/pdu-a1-a --profile lab
    """
    if device:
        from citydc.actions._trying import try_device

        try_device(device, profile, folder, as_json=as_json)
        return
    from exporters import serving
    from exporters.energy.exporter import EnergyExporter, Settings, in_parts

    where = serving.listening(listen, web_config)
    settings = Settings(
        ledger=ledger,
        folder=folder,
        sites=tuple(site or ()),
        profile=profile,
        interval=interval,
        timeout=timeout,
        shard=in_parts(shard),
    )
    serving.serve(EnergyExporter(settings), where)


@books.command("verify")
def verify(
    file: LedgerArgument,
    seal: Annotated[
        list[str] | None,
        typer.Option("--seal", metavar="DIGEST", help="A day's published seal; repeatable."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """
    Recompute the chain, print each day's seal, and name the first entry that does not fit.

    Exit code 1 if one does not, or if a published seal is not in the chain.
    Example: citydc exporter ledger verify /var/lib/citydc/energy.sqlite
    """
    from exporters import ledger

    found = ledger.verify(_existing(file))
    missing = [one for one in seal or [] if one not in found.seals.values()]
    sound = found.broken is None and not missing
    if as_json:
        console.print_json({"sound": sound, "missing_seals": missing, **asdict(found)})
    else:
        for day, digest in found.seals.items():
            console.say(f"{day}  {digest}")
        for one in missing:
            console.say(f"The seal {one} is not in the chain.")
        state = f"broken: {found.why}" if found.why else "whole"
        console.say(f"The chain is {state}; {found.entries} entries fit, to {found.head}")
    raise typer.Exit(int(not sound))


@books.command("replaced")
def replaced(
    file: LedgerArgument,
    meter: MeterArgument,
    *,
    when: Annotated[datetime, typer.Option(help="When it was replaced, by the city's clock.")],
    final: Annotated[float, typer.Option(help="What the old register showed last, J or L.")],
    initial: Annotated[float, typer.Option(help="What the new register showed first, J or L.")],
    author: AuthorOption,
    reason: ReasonOption,
    folder: FolderOption = None,
) -> None:
    """
    Record that a meter was replaced, before the exporter reads the new one.

    Example: citydc exporter ledger replaced energy.sqlite main/ups-a --when 2026-11-24T10:00:00
    --final 7.2e12 --initial 0 --author "N. V. An" --reason "work order 118"
    """
    _opened(file, folder).replace(
        meter, _moment(when), (final, initial), author=author, reason=reason
    )
    console.say(f"{meter}: the replacement is recorded.")


@books.command("amend")
def amend(
    file: LedgerArgument,
    meter: MeterArgument,
    *,
    start: Annotated[datetime, typer.Option("--from", help="By the city's clock.")],
    end: Annotated[datetime, typer.Option("--to", help="By the city's clock.")],
    amount: Annotated[float, typer.Option(help="J or L to add; negative to take away.")],
    author: AuthorOption,
    reason: ReasonOption,
    folder: FolderOption = None,
) -> None:
    """
    Correct what a meter was counted for; the entries that are corrected stay.

    Example: citydc exporter ledger amend energy.sqlite main/ups-a --from 2026-11-01T00:00:00
    --to 2026-11-02T00:00:00 --amount -3.6e6 --author "N. V. An" --reason "CT ratio was wrong"
    """
    span = (_moment(start), _moment(end))
    _opened(file, folder).amend(meter, span, amount, author=author, reason=reason)
    console.say(f"{meter}: the amendment is recorded.")


def _opened(file: Path, folder: Path | None) -> "Books":
    import catalogue
    from exporters.energy.books import Books
    from exporters.energy.tree import Tree
    from exporters.ledger import Ledger

    trees = [Tree(site) for site in catalogue.load(folder).sites.values()]
    return Books(Ledger(_existing(file)), trees)


def _existing(file: Path) -> Path:
    from catalogue.errors import BadInputError

    if not file.is_file():
        raise BadInputError(
            "there is no such ledger", place=str(file), remedy="name the exporter's --ledger"
        )
    return file


def _moment(when: datetime) -> float:
    from exporters.ledger import ZONE

    return when.replace(tzinfo=ZONE).timestamp()


@app.command("uptime")
def uptime(
    *,
    outputs: OutputsOption,
    observer: Annotated[
        Path,
        typer.Option("--observer", metavar="FILE", help="observer.yaml (docs/availability.md)."),
    ],
    state: Annotated[
        Path, typer.Option("--state", metavar="FILE", help="Where counts outlive the exporter.")
    ],
    maintenance: Annotated[
        Path | None,
        typer.Option("--maintenance", metavar="FILE", help="maintenance.yaml, windows declared."),
    ] = None,
    listen: ListenOption = "127.0.0.1:9812",
    web_config: WebConfigOption = None,
    folder: FolderOption = None,
) -> None:
    """
    Probe every service over IPv4 and IPv6, and count the seconds that it is good, bad or unknown.

    Example: citydc exporter uptime --outputs main.json --outputs backup.json --observer
    observer.yaml --state /var/lib/citydc/uptime.sqlite
    """
    import catalogue
    from exporters import outputs as documents
    from exporters import serving
    from exporters.uptime.exporter import Files, UptimeExporter

    _log_to_standard_error()
    known = catalogue.load(folder)
    stacks = [documents.read(file, known) for file in outputs]
    exporter = UptimeExporter(known, stacks, Files(observer, maintenance, state))
    serving.serve(exporter, serving.listening(listen, web_config))


@app.command("capacity")
def capacity(
    *,
    outputs: OutputsOption,
    prometheus: Annotated[
        str | None,
        typer.Option("--prometheus", metavar="URL", help="Has the measured peaks of power."),
    ] = None,
    authority: AuthorityOption = None,
    listen: ListenOption = "127.0.0.1:9813",
    web_config: WebConfigOption = None,
    folder: FolderOption = None,
) -> None:
    """
    Read how full the sites are, and whether the standby site would carry a takeover now.

    Its credentials are those of the sites' clouds in clouds.yaml; it only reads.
    Example: citydc exporter capacity --outputs main.json --outputs backup.json
    --prometheus https://monitoring.example:9090
    """
    import catalogue
    from exporters import outputs as documents
    from exporters import serving
    from exporters.capacity.exporter import CapacityExporter
    from exporters.capacity.peaks import Prometheus

    _log_to_standard_error()
    known = catalogue.load(folder)
    stacks = [documents.read(file, known) for file in outputs]
    peaks = Prometheus(prometheus, authority) if prometheus else None
    exporter = CapacityExporter(known, stacks, peaks)
    serving.serve(exporter, serving.listening(listen, web_config))


@app.command("recovery")
def recovery(
    *,
    outputs: OutputsOption,
    records: Annotated[
        Path | None,
        typer.Option("--records", metavar="FOLDER", help="Backups and restores of each database."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FOLDER", help="Drills that were held.")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="Logs in to the databases, and no more."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Its password; mode 0600."),
    ] = None,
    authority: AuthorityOption = None,
    listen: ListenOption = "127.0.0.1:9814",
    web_config: WebConfigOption = None,
    folder: FolderOption = None,
) -> None:
    """
    Read how far standbys lag, how old backups are, and what was restored and drilled last.

    Example: citydc exporter recovery --outputs main.json --outputs backup.json --user monitor
    --password-file monitor.password --records /var/lib/citydc/records
    """
    import catalogue
    from exporters import outputs as documents
    from exporters import serving
    from exporters.recovery.exporter import RecoveryExporter, Sources
    from exporters.trust import password

    _log_to_standard_error()
    known = catalogue.load(folder)
    stacks = [documents.read(file, known) for file in outputs]
    secret = password(password_file) if password_file else ""
    sources = Sources(records, journal, user, secret, authority)
    exporter = RecoveryExporter(known, stacks, sources)
    serving.serve(exporter, serving.listening(listen, web_config))


def _log_to_standard_error() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
