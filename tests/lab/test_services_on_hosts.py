"""Nine hosts as two sites, with every service role: converged once, then looked at."""

import json
import shlex
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lab_helpers import wait_for
from services_hosts import GATEWAYS, SITES, City, Run, base

from lab.hosts import keys
from lab.hosts.command import CommandError
from lab.hosts.segment import Segment

pytestmark = pytest.mark.hosts

PRIMARY = ("main", "registry-entries-1")
STANDBY = ("backup", "registry-entries-1")
APPLICATIONS = (("main", "registry-app-1"), ("main", "registry-app-2"))
WEB = ("main", "registry-web-1")
BASTION = "operations-bastion-1"
QUERY = """
import sys, dns.message, dns.query, dns.flags
server, name, kind = sys.argv[1:]
answer = dns.query.udp(dns.message.make_query(name, kind), server, timeout=5)
print(*(record.to_text() for one in answer.answer for record in one))
"""
TRANSFER = """
import sys, dns.query, dns.zone, dns.xfr
try:
    dns.zone.from_xfr(dns.query.xfr(sys.argv[1], sys.argv[2], timeout=5))
except dns.xfr.TransferError as error:
    print(error.rcode)
"""
JUMPER = keys.make()


@pytest.fixture(scope="module")
def runs() -> dict[str, list[Run]]:
    """Give what the runs of the playbook said, by site."""
    return {site: [] for site in SITES}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, list[Run]]) -> Iterator[City]:
    """Give the hosts of both sites with their services: the main site first, then the backup."""
    folder = tmp_path_factory.mktemp("city")
    with base(folder) as tree, Segment(*GATEWAYS) as segment:
        made = City(folder, segment)
        made.start(tree)
        for site in SITES:
            runs[site].append(made.configure(site))
        yield made


def request(city: City, site: str, *words: str, address: str = "") -> tuple[int, Any]:
    """Ask a site's proxy; return the status and the content."""
    address = address or f"[{city.ipv6(site, 'registry-web-1')}]"
    url = f"https://registry.{site}.dc.hanoi.gov.vn"
    path, *more = words
    said = city.segment.run(
        *("curl", "--silent", "--show-error", "--max-time", 20, "--cacert", city.authority),
        *("--connect-to", f"::{address}:443", "--write-out", "\n%{http_code}", url + path, *more),
    )
    content, _, status = said.rpartition("\n")
    return int(status), json.loads(content) if content.startswith(("{", "[")) else content


def write(city: City, body: str) -> int:
    """Keep a record at the main site; return its number."""
    status, kept = request(city, "main", "/records", "--data", body)
    assert status == 201, kept
    return int(kept["id"])


def psql(city: City, server: tuple[str, str], statement: str) -> str:
    """Ask a database server as its administrator."""
    words = ("runuser", "-u", "postgres", "--", "psql", "-XAtqc", statement)
    return city.hosts[server].run(*words).strip()


def dig(city: City, server: str, name: str, kind: str) -> str:
    """Ask a name server; return the records."""
    return city.segment.run(sys.executable, "-c", QUERY, server, name, kind).strip()


def test_second_run_changes_nothing(city: City, runs: dict[str, list[Run]]) -> None:
    """The first run changes every host, the second none."""
    for site in SITES:
        assert all(runs[site][0].changed.values())
        runs[site].append(city.configure(site))
        assert set(runs[site][1].changed.values()) == {0}, runs[site][1].text


def test_check_run_changes_nothing_either(city: City, runs: dict[str, list[Run]]) -> None:
    """On hosts that are as they should be, a check run predicts no change."""
    runs["main"].append(city.configure("main", "--check"))
    assert set(runs["main"][-1].changed.values()) == {0}


def test_secrets_are_kept_and_never_told(city: City, runs: dict[str, list[Run]]) -> None:
    """Only their owner reads the secrets, no run prints one, and no process shows one."""
    found = [path for path in city.secrets.rglob("*") if path.is_file()]
    kept = [path for path in found if path.parts[-2] not in ("authority", "issued")]
    assert len(kept) >= 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    assert all(path.stat().st_mode & 0o077 == 0 for path in city.secrets.rglob("*.key"))
    assert city.secrets.stat().st_mode & 0o077 == 0
    said = "".join(run.text for several in runs.values() for run in several)
    shown = "".join(
        host.run("sh", "-c", "cat /proc/[0-9]*/cmdline") for host in city.hosts.values()
    )
    journals = "".join(host.run("journalctl", "--no-pager") for host in city.hosts.values())
    for path in kept:
        assert path.read_text() not in said + shown + journals, path


@pytest.mark.parametrize("site", SITES)
def test_service_answers_without_ipv4_behind_its_proxy(city: City, site: str) -> None:
    """Applications and databases have no IPv4 address; the service answers all the same."""
    for name in ("registry-app-1", "registry-entries-1"):
        assert not city.hosts[site, name].run("ip", "-4", "-o", "address", "show", "dev", "eth0")
    status, health = request(city, site, "/health")
    assert status == 200
    assert health["database"] == {"main": "read-write", "backup": "read-only"}[site]
    assert (health["service"], health["site"]) == ("registry", site)


def test_proxy_answers_over_ipv4_too(city: City) -> None:
    """A dual-stack proxy leads callers over IPv4 to what is behind it by IPv6."""
    status, health = request(city, "main", "/health", address=str(city.described[WEB].ipv4))
    assert (status, health["site"]) == (200, "main")


def test_write_at_the_main_site_is_read_at_the_backup_site(city: City) -> None:
    """The standby follows over TLS, and takes no write itself."""
    number = write(city, "a birth certificate")
    found = wait_for(
        lambda: (got := request(city, "backup", f"/records/{number}"))[0] == 200 and got[1]
    )
    assert (found["body"], found["site"]) == ("a birth certificate", "main")
    assert request(city, "backup", "/records", "--data", "no")[0] == 503
    streams = psql(
        city, PRIMARY, "SELECT state, ssl FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
    )
    assert streams == "streaming|t"


def test_backup_at_the_other_site_is_restored(city: City) -> None:
    """The store is at the backup site, encrypted; what is restored from it has the last record."""
    write(city, "worth keeping")
    psql(city, PRIMARY, "SELECT pg_switch_wal()")
    standby = city.hosts[STANDBY]
    postgres = ("runuser", "-u", "postgres", "--")
    wait_for(lambda: standby.run("sh", "-c", "ls /var/lib/pgbackrest/backup/*/latest || true"))
    info = json.loads(standby.run(*postgres, "pgbackrest", "info", "--output=json"))
    assert (info[0]["cipher"], info[0]["status"]["message"]) == ("aes-256-cbc", "ok")
    check = (
        *postgres,
        "postgresql-restore-check",
        "SELECT body FROM records ORDER BY id DESC LIMIT 1",
    )
    said = wait_for(lambda: (got := standby.run(*check).splitlines())[0] == "worth keeping" and got)
    assert json.loads(said[1])["cluster"] == "registry-entries"
    assert not standby.run("sh", "-c", "ls -A /var/lib/pgbackrest | grep restore-check || true")


@pytest.mark.parametrize("mode", ["require", "disable"])
def test_database_hears_declared_callers_alone(city: City, mode: str) -> None:
    """A host that the catalogue does not name as a caller is refused, with and without TLS."""
    target = f"host={city.ipv6(*PRIMARY)} dbname=registry_entries user=registry_app sslmode={mode}"
    with pytest.raises(CommandError, match=r"no pg_hba\.conf entry"):
        city.hosts[STANDBY].run("psql", "-XAtc", "SELECT 1", f"{target} password=guess")


def test_proxy_spreads_requests_and_drops_a_dead_member(city: City) -> None:
    """Both members answer; one that is stopped gets no request, and comes back."""

    def answering() -> set[str]:
        found = [request(city, "main", "/health") for _ in range(8)]
        return {health["host"] for status, health in found if status == 200}

    both = {name for _, name in APPLICATIONS}
    wait_for(lambda: answering() == both)
    city.hosts[APPLICATIONS[1]].run("systemctl", "stop", "application")
    wait_for(lambda: answering() == {APPLICATIONS[0][1]})
    assert all(request(city, "main", "/health")[0] == 200 for _ in range(10))
    city.hosts[APPLICATIONS[1]].run("systemctl", "start", "application")
    wait_for(lambda: answering() == both)


@pytest.mark.parametrize("server", SITES)
@pytest.mark.parametrize("zone", SITES)
def test_names_of_both_sites_are_answered_at_both(city: City, server: str, zone: str) -> None:
    """A and AAAA, and the addresses' names, over IPv6 and IPv4."""
    name = f"registry.{zone}.dc.hanoi.gov.vn"
    web = city.described[zone, "registry-web-1"]
    there = city.described[server, BASTION]
    for address in (str(there.ipv6), str(there.ipv4)):
        wait_for(lambda: dig(city, address, name, "AAAA") == str(web.ipv6))  # noqa: B023  called at once
        assert dig(city, address, name, "A") == str(web.ipv4)
        pointer = f"registry-web-1.{zone}.dc.hanoi.gov.vn."
        for number in (web.ipv6, web.ipv4):
            assert dig(city, address, number.reverse_pointer, "PTR") == pointer


def test_name_servers_give_nothing_away(city: City) -> None:
    """They resolve no other names, and copy zones to each other alone."""
    server = city.ipv6("main", BASTION)
    assert dig(city, server, "debian.org", "A") == ""
    said = city.segment.run(sys.executable, "-c", TRANSFER, server, "main.dc.hanoi.gov.vn")
    assert said.split() == ["5"]  # REFUSED


def test_logs_arrive_over_tls_from_hosts_with_a_certificate(city: City) -> None:
    """A host's line arrives; one sent without a certificate does not."""
    loghost = city.hosts["main", BASTION]
    files = "/etc/citydc/tls"
    certificate = f"-cert {files}/host.crt -key {files}/host.key"

    def send(text: str, shown: str) -> None:
        line = f"<14>1 2026-01-01T00:00:00Z registry-app-1 test - - - {text}"
        city.hosts[APPLICATIONS[0]].run(
            "sh", "-c",
            f"(printf '{len(line)} {line}'; sleep 2) | timeout 5 openssl s_client -quiet {shown}"
            f" -verify_return_error -CAfile {files}/authority.crt"
            f" -connect [{city.ipv6('main', BASTION)}]:6514 >/dev/null 2>&1 || true",
        )  # fmt: skip

    send("without", "")
    send("with", certificate)
    found = wait_for(
        lambda: loghost.run("sh", "-c", "cat /var/log/hosts/registry-app-1/* 2>/dev/null || true")
    )
    assert found.rstrip().endswith(" - with")
    assert "without" not in found


def test_people_pass_through_the_bastion_and_do_nothing_else(city: City) -> None:
    """An account of the bastion reaches another host's SSH port, no other port and no shell."""
    accounts = [{"name": "an", "keys": [JUMPER.public]}]
    variables = {"bastion_accounts": accounts}
    city.configure("main", "--tags", "bastion", "-e", json.dumps(variables))
    city.give_role("main", BASTION, "ssh", variables)
    key = city.folder / "jumper"
    key.write_text(JUMPER.private)
    key.chmod(0o600)
    bastion, web = city.ipv6("main", BASTION), city.ipv6(*WEB)
    ssh = ("ssh", "-F", city.folder / "ssh_config", "-p", 2222, "-i", key, "-l", "an")
    trust = ("-o", f"HostKeyAlias={bastion}", "-o", "IdentitiesOnly=yes")

    def said(*words: str | int) -> str:
        line = shlex.join(map(str, (*ssh, *trust, *words)))
        return city.segment.run("sh", "-c", f"sleep 2 | {line} 2>/dev/null | head -n 1")

    assert said("-W", f"[{web}]:22", bastion).startswith("SSH-2.0-OpenSSH")
    assert said("-W", f"[{web}]:443", bastion) == ""
    assert said(bastion, "id").strip() == "This account is currently not available."


def test_killed_application_comes_back_by_itself(city: City) -> None:
    """The unit is started anew and answers."""
    host = city.hosts[APPLICATIONS[0]]
    before = host.run("systemctl", "show", "-P", "MainPID", "application").strip()
    host.run("kill", "-KILL", before)
    wait_for(
        lambda: (
            host.run("systemctl", "show", "-P", "MainPID", "application").strip()
            not in (before, "0")
        )
    )
