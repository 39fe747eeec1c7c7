"""Thirteen hosts as two sites, with every service role: converged once, then looked at."""

import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lab_helpers import wait_for
from services_hosts import GATEWAYS, SITES, UPSTREAM, City, Run, base

import catalogue
from infra.outputs import Outputs
from lab.hosts import keys, machine
from lab.hosts.command import CommandError
from lab.hosts.segment import Segment
from playbooks import authority, verification
from playbooks.behaviours import Answer
from playbooks.controls import register
from playbooks.inventory import inventory

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
# Answers with one address to every question about "mirror.example", over TLS.
RESOLVER = """
import socket, ssl, sys, threading
import dns.message, dns.rrset
address, certificate, key = sys.argv[1:]

def answer(connection):
    with context.wrap_socket(connection, server_side=True) as secured:
        stream = secured.makefile("rwb")
        while size := stream.read(2):
            question = dns.message.from_wire(stream.read(int.from_bytes(size)))
            reply, asked = dns.message.make_response(question), question.question[0]
            if asked.name.to_text() == "mirror.example." and asked.rdtype == 28:
                reply.answer = [dns.rrset.from_text(asked.name, 60, "IN", "AAAA", "2001:db8::80")]
            stream.write(len(reply.to_wire()).to_bytes(2) + reply.to_wire())
            stream.flush()

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listening = socket.create_server((address, 853), family=socket.AF_INET6)
while True:
    threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()
"""
# An NTP request (RFC 5905); prints the stratum of who answers.
ASK_TIME = """
import socket, sys
asking = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
asking.settimeout(2)
asking.sendto(b"\\x23" + bytes(47), (sys.argv[1], 123))
try:
    print(asking.recv(48)[1])
except TimeoutError:
    print("no answer")
"""
RECOVERY = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9814/metrics", timeout=20).read().decode())
"""
# Keeps what it is told, and as whom.
WEBHOOK = """
import http.server
from pathlib import Path

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with Path("/run/told").open("a") as told:
            print(self.headers["Authorization"], body, file=told)
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", 8099), Hook).serve_forever()
"""
EXPORTERS = ("citydc-energy", "citydc-uptime", "citydc-recovery")
AS_MONITOR = """
import asyncio, asyncpg, sys
from pathlib import Path
address, database, statement = sys.argv[1:]
password = Path("/etc/citydc/exporters/monitor.password").read_text().strip()

async def ask():
    session = await asyncpg.connect(
        host=address, user="monitor", password=password, database=database, ssl="require"
    )
    print(await session.fetch(statement))

asyncio.run(ask())
"""
AS_MONITOR_OF_MARIADB = """
import pymysql, ssl, sys
from pathlib import Path
address, how, statement = sys.argv[1:]
password = Path("/etc/citydc/exporters/monitor.password").read_text().strip()
authority = ssl.create_default_context(cafile="/etc/citydc/tls/authority.crt")
tls = {"ssl": authority} if how == "verified" else {"ssl_disabled": True}
with pymysql.connect(host=address, user="monitor", password=password, **tls) as session:
    cursor = session.cursor()
    cursor.execute(statement)
    print(cursor.fetchone())
"""
ACTIVE = "systemctl is-active postgresql@15-main mariadb 2>/dev/null | grep -x active || true"
LETTERS = ("letters-app-1", "letters-post-1")
KEEPER = ("backup", LETTERS[1])
"""Keeps the backups of the letters."""
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
    wait_for(lambda: standby.run("sh", "-c", "ls /srv/backups/backup/*/latest || true"))
    info = json.loads(standby.run(*postgres, "pgbackrest", "info", "--output=json"))
    assert (info[0]["cipher"], info[0]["status"]["message"]) == ("aes-256-cbc", "ok")
    check = (
        *postgres,
        "postgresql-restore-check",
        "SELECT body FROM records ORDER BY id DESC LIMIT 1",
    )
    said = wait_for(lambda: (got := standby.run(*check).splitlines())[0] == "worth keeping" and got)
    assert json.loads(said[1])["cluster"] == "registry-entries"
    assert not standby.run("sh", "-c", "ls -A /srv/backups | grep restore-check || true")


def letters(city: City, site: str, *words: str) -> tuple[int, Any]:
    """Ask the application with the other engine."""
    app = city.ipv6(site, LETTERS[0])
    said = city.segment.run(
        *("curl", "--silent", "--show-error", "--max-time", 20, "--cacert", city.authority),
        *("--write-out", "\n%{http_code}", f"https://[{app}]:8443{words[0]}", *words[1:]),
    )
    content, _, status = said.rpartition("\n")
    return int(status), json.loads(content)


def test_mariadb_backup_at_the_other_site_is_restored(city: City) -> None:
    """
    A full backup, an increment and the log are at the backup site, encrypted.

    What is restored from them has the last letter; from a store that is damaged, nothing is.
    """
    keeper = city.hosts[KEEPER]
    wait_for(lambda: keeper.run("sh", "-c", "ls -d /srv/backups/*/*F || true"))
    for body, kind in (("by the increment", "incr"), ("by the log", "log")):
        status, kept = letters(city, "main", "/records", "--data", body)
        assert status == 201, kept
        wait_for(lambda: letters(city, "backup", f"/records/{kept['id']}")[0] == 200)  # noqa: B023  called at once
        keeper.run("systemctl", "start", f"mariadb-store@{kind}")
    keeper.run("mariadb", "--execute", "STOP SLAVE")
    with pytest.raises(CommandError):
        keeper.run("systemctl", "start", "mariadb-store@incr")
    keeper.run("mariadb", "--execute", "START SLAVE")
    check = ("runuser", "-u", "mysql", "--", "mariadb-restore-check")
    statement = "SELECT body FROM records ORDER BY id DESC LIMIT 2"
    *bodies, said = keeper.run(*check, statement).splitlines()
    assert bodies == ["by the log", "by the increment"]
    restored = json.loads(said)
    assert (restored["cluster"], restored["backup"][-1]) == ("letters-post", "I")
    heads = keeper.run("sh", "-c", "cd /srv/backups && head -qc 8 */*F/data */*F/*I/data */log/*")
    assert heads.count("Salted__") * len("Salted__") == len(heads) >= 3 * len("Salted__")
    increment = keeper.run("sh", "-c", "echo /srv/backups/*/*F/*I/data").strip()
    keeper.run("cp", "--preserve", increment, "/root/whole")
    keeper.run("sh", "-c", f"printf damaged | dd of={increment} bs=1 seek=999 conv=notrunc")
    with pytest.raises(CommandError, match=r"invalid checksum|Decoding error"):
        keeper.run(*check)
    keeper.run("cp", "--preserve", "/root/whole", increment)
    assert not keeper.run("sh", "-c", "ls -A /srv/backups | grep restore-check || true")


def ask_observer(city: City, url: str, *words: str) -> tuple[str, str]:
    """Ask the main site's uptime exporter; return the status and what it says."""
    said = city.segment.run(
        *("curl", "--silent", "--max-time", 20, "--cacert", city.authority),
        *words,
        *("--write-out", "\n%{http_code}", f"https://[{city.ipv6('main', BASTION)}]:9812{url}"),
    )
    content, _, status = said.rpartition("\n")
    return status, content


def test_exporters_run_confined_and_answer_who_may_ask(city: City) -> None:
    """Their units are active with little exposure; the observer answers by TLS with a password."""
    for site in SITES:
        host = city.hosts[site, BASTION]
        for unit in (*EXPORTERS, "prometheus", "prometheus-alertmanager"):
            assert host.run("systemctl", "is-active", unit).strip() == "active"
            said = host.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
            assert float(said.partition(": ")[2].split()[0]) < 2, said
    password = (city.secrets / "exporters" / "observer").read_text()
    login = ("--user", f"observer:{password}")
    assert ask_observer(city, "/-/ready", *login) == ("200", "ready\n")
    assert ask_observer(city, "/-/ready")[0] == "401"
    assert ask_observer(city, "/-/ready", "--user", "observer:guess")[0] == "401"
    peer = 'citydc_observer_peer_up{observer="main",peer="backup"} 1'
    wait_for(lambda: peer in ask_observer(city, "/metrics", *login)[1])


def proved(city: City, site: str, control: str) -> verification.Result:
    """Look on a site's monitoring host for a control."""
    outputs = Outputs.model_validate_json((city.folder / site / "outputs.json").read_text())
    known = inventory(outputs, catalogue.load(city.folder / "catalogue"))
    variables = known["_meta"]["hostvars"][BASTION]
    wanted = next(one for one in register() if one.id == control)
    answers = {
        command: Answer(city.hosts[site, BASTION].run("sh", "-c", command), "", 0, "")
        for command in verification.commands([wanted], variables, owned=False)
    }
    return verification.judge(wanted, variables, answers, owned=False)


@pytest.mark.parametrize("site", SITES)
def test_monitoring_sees_all_and_answers_who_may_ask(city: City, site: str) -> None:
    """Every target of both sites is up, rules are loaded, and nobody else is answered."""
    wait_for(lambda: "2 Alertmanagers; down []" in proved(city, site, "monitoring-sees").found)
    assert proved(city, site, "monitoring-sees").passed
    found = proved(city, site, "monitoring-confined")
    assert found.passed, found.found
    address = f"[{city.ipv6(site, BASTION)}]:9094"
    without = f"sleep 2 | openssl s_client -connect {address} -CAfile {city.authority} 2>&1 || true"
    assert "alert bad certificate" in city.segment.run("sh", "-c", without)


def test_receivers_are_taken_by_a_reload_and_told_of_alerts(city: City) -> None:
    """An alert arrives with the token; the services are the same processes."""
    host = city.hosts["main", BASTION]
    units = ("prometheus", "prometheus-alertmanager")
    before = host.run("systemctl", "show", "-P", "MainPID", *units)
    host.run("systemd-run", "--quiet", "--unit=webhook", "python3", "-c", WEBHOOK)
    told = {"name": "on-call", "webhook": "http://127.0.0.1:8099/", "token": "a-token-of-the-test"}
    given = ("-e", json.dumps({"monitoring_receivers": [told]}))
    run = city.configure("main", "--limit", BASTION, *given, tags="monitoring")
    assert run.changed == {BASTION: 1}
    assert told["token"] not in run.text
    assert host.run("systemctl", "show", "-P", "MainPID", *units) == before
    password = (city.secrets / "monitoring" / "administrators").read_text()
    alert = {"labels": {"alertname": "Test", "severity": "critical", "team": "operations"}}
    city.segment.run(
        *("curl", "--silent", "--fail", "--cacert", city.authority),
        *("--user", f"administrators:{password}", "--json", json.dumps([alert])),
        f"https://[{city.ipv6('main', BASTION)}]:9093/api/v2/alerts",
    )
    said = wait_for(
        lambda: host.run("sh", "-c", 'grep -s \'"alertname":"Test"\' /run/told || true')
    )
    assert said.startswith("Bearer a-token-of-the-test ")


def test_faulty_monitoring_is_not_taken_over(city: City) -> None:
    """What Prometheus would refuse is put back, and the host's journal says what it is."""
    host, path = city.hosts["main", BASTION], "/etc/citydc/monitoring/prometheus.yml"
    before = host.run("cat", path)
    faulty = {"monitoring_remote_write": [{"url": "https://store.example", "colour": "red"}]}
    with pytest.raises(AssertionError):
        city.configure("main", "--limit", BASTION, "-e", json.dumps(faulty), tags="monitoring")
    assert host.run("cat", path) == before
    assert "field colour not found" in host.run("journalctl", "-t", "citydc-monitoring")


def test_declared_maintenance_is_taken_without_a_new_start(city: City) -> None:
    """A window reaches the observer, and is taken back, by a reload: it is the same process."""
    window = {
        "id": "test",
        "services": ["registry"],
        "start": "2099-01-01T00:00:00+07:00",
        "end": "2099-01-01T01:00:00+07:00",
        "owner": "Test",
        "reason": "A test.",
    }
    host, ask = city.hosts["main", BASTION], ("systemctl", "show", "-P", "MainPID", "citydc-uptime")
    before = host.run(*ask)
    journal = ("journalctl", "--no-pager", "--unit", "citydc-uptime")
    for times, windows in enumerate(([window], []), 1):
        given = ("-e", json.dumps({"exporters_maintenance": windows}))
        run = city.configure("main", "--limit", BASTION, *given, tags="exporters")
        assert run.changed == {BASTION: 1}
        wait_for(lambda: host.run(*journal).count("exporters.serving: reloaded") == times)  # noqa: B023  called at once
    assert host.run(*ask) == before


def test_recovery_is_told_by_the_databases(city: City) -> None:
    """Replication, the backup at the other site and its restore, by an account for that alone."""
    city.hosts[STANDBY].run("systemctl", "start", "postgresql-restore-check")
    city.hosts[KEEPER].run("systemctl", "start", "mariadb-restore-check")
    wanted = {
        "citydc_replication_lag_seconds",
        "citydc_backup_age_seconds",
        "citydc_restore_verified_timestamp_seconds",
    }

    def shown(site: str, database: str) -> set[str]:
        lines = city.hosts[site, BASTION].run("python3", "-c", RECOVERY).splitlines()
        return {one.partition("{")[0] for one in lines if f'database="{database}"' in one}

    for site in SITES:
        for database in ("entries", "post"):
            wait_for(lambda: wanted <= shown(site, database))  # noqa: B023  called at once
    groups = "SELECT count(*) FROM pg_auth_members WHERE member = to_regrole('monitor')"
    assert psql(city, PRIMARY, groups) == "0"
    monitor = ("/opt/citydc/bin/python", "-c", AS_MONITOR, city.ipv6(*PRIMARY))
    watcher = city.hosts["main", BASTION]
    assert "records" in watcher.run(*monitor, "postgres", "SELECT citydc_records() AS records")
    for statement in ("SELECT pg_read_file('PG_VERSION')", "CREATE TABLE t (n int)"):
        with pytest.raises(CommandError, match="permission denied"):
            watcher.run(*monitor, "postgres", statement)
    with pytest.raises(CommandError, match=r"no pg_hba\.conf entry"):
        watcher.run(*monitor, "registry_entries", "SELECT 1")


def test_mariadb_tells_its_watchers_no_more_than_records(city: City) -> None:
    """The account runs the procedure, without TLS not even that, and reads no table and no file."""
    watcher = city.hosts["main", BASTION]
    script = ("/opt/citydc/bin/python", "-c", AS_MONITOR_OF_MARIADB)
    monitor = (*script, city.ipv6(*KEEPER))
    said = watcher.run(*monitor, "verified", "CALL citydc.records()")
    assert "letters-post" in said
    file = "SELECT LOAD_FILE('/var/lib/mysql-records/backups.json')"
    assert watcher.run(*monitor, "verified", file).strip() == "(None,)"
    for statement in ("SELECT * FROM letters_post.records", "SELECT * FROM mysql.global_priv"):
        with pytest.raises(CommandError, match="SELECT command denied"):
            watcher.run(*monitor, "verified", statement)
    with pytest.raises(CommandError, match="Access denied"):
        watcher.run(*monitor, "plain", "SELECT 1")


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


@contextlib.contextmanager
def upstream(city: City) -> Iterator[None]:
    """Run a resolver outside of the sites, with a certificate of the authority."""
    request, key = city.folder / "upstream.csr", city.folder / "upstream.key"
    city.segment.run(
        *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-noenc", "-batch", "-keyout", key, "-out", request, "-subj", "/CN=upstream"),
    )
    made = authority.issue(city.authority.parent, request.read_text(), ["upstream.example"], [])
    certificate = city.folder / "upstream.crt"
    certificate.write_text(made.certificate)
    inside = f"--net={machine.NAMESPACES / city.segment.name}"
    words = [sys.executable, "-c", RESOLVER, UPSTREAM, str(certificate), str(key)]
    with subprocess.Popen(["nsenter", inside, *words]) as process:
        try:
            yield
        finally:
            process.terminate()


def test_hosts_without_ipv4_get_names_of_the_world_by_their_own_servers(city: City) -> None:
    """A site's name servers ask outside, over TLS, for its own hosts alone."""
    with upstream(city):
        for site in SITES:
            host = city.hosts[site, "registry-app-1"]
            server = city.ipv6(site, BASTION)
            assert host.run("cat", "/etc/resolv.conf").splitlines()[1] == f"nameserver {server}"
            found = wait_for(lambda: host.run("sh", "-c", "getent ahostsv6 mirror.example || true"))  # noqa: B023  called at once
            assert found.split()[0] == "2001:db8::80"
            own = host.run("getent", "ahostsv6", f"registry.{site}.dc.hanoi.gov.vn")
            assert own.split()[0] == city.ipv6(site, "registry-web-1")
            assert dig(city, server, "mirror.example", "AAAA") == ""


def test_time_is_given_to_the_site_alone(city: City) -> None:
    """The site's hosts have time from their own server; others get no answer."""
    server, address = city.hosts["main", BASTION], city.ipv6("main", BASTION)
    # In a container the clock is its machine's: the server runs, and sets no clock.
    server.run(
        *("systemd-run", "--quiet", "--unit=time-alone"),
        *("chronyd", "-x", "-d", "-f", "/etc/chrony/chrony.conf"),
    )
    app = city.hosts[APPLICATIONS[0]]
    wait_for(lambda: app.run("python3", "-c", ASK_TIME, address).strip() == "10")
    assert city.segment.run("python3", "-c", ASK_TIME, address).strip() == "no answer"
    configured = app.run("sh", "-c", "cat /etc/chrony/chrony.conf 2>/dev/null || true")
    assert "allow" not in configured
    server.run("systemctl", "stop", "time-alone")


def test_records_of_every_host_arrive_at_its_log_host(city: City) -> None:
    """What is logged on a host is at its site's log host; what comes without certificate is not."""
    files = "/etc/citydc/tls"
    line = "<14>1 2026-01-01T00:00:00Z registry-app-1 test - - - without-certificate"
    city.hosts[APPLICATIONS[0]].run(
        "sh", "-c",
        f"(printf '{len(line)} {line}'; sleep 2) | timeout 5 openssl s_client -quiet"
        f" -verify_return_error -CAfile {files}/authority.crt"
        f" -connect [{city.ipv6('main', BASTION)}]:6514 >/dev/null 2>&1 || true",
    )  # fmt: skip
    for (_, name), host in city.hosts.items():
        if name != BASTION:
            host.run("logger", "--priority", "daemon.info", f"word of {name}")
    for site, name in city.hosts:
        kept = f"cat /var/log/hosts/{name}/* 2>/dev/null || true"
        if name != BASTION:
            loghost = city.hosts[site, BASTION]
            found = wait_for(
                lambda: f"word of {name}" in (got := loghost.run("sh", "-c", kept)) and got  # noqa: B023  called at once
            )
            assert "without-certificate" not in found


def test_mariadb_follows_at_the_other_site_and_takes_over(city: City) -> None:
    """What is written at the main site is read at the backup site; promoted, that takes writes."""
    status, kept = letters(city, "main", "/records", "--data", "a letter")
    assert status == 201, kept
    found = wait_for(
        lambda: (got := letters(city, "backup", f"/records/{kept['id']}"))[0] == 200 and got[1]
    )
    assert (found["body"], found["site"]) == ("a letter", "main")
    states = [letters(city, site, "/health")[1]["database"] for site in SITES]
    assert states == ["read-write", "read-only"]
    assert letters(city, "backup", "/records", "--data", "no")[0] == 503
    primary, standby = (city.hosts[site, LETTERS[1]] for site in SITES)
    ciphers = primary.run(
        "mariadb", "-BNe",
        "SELECT count(*) FROM information_schema.processlist WHERE user = 'replicator'",
    )  # fmt: skip
    assert ciphers.strip() == "1"
    primary.run("systemctl", "stop", "mariadb")
    standby.run("mariadb-promote")
    wait_for(lambda: letters(city, "backup", "/records", "--data", "taken over")[0] == 201)
    standby.run("systemctl", "restart", "mariadb")
    wait_for(lambda: letters(city, "backup", "/health")[1]["database"] == "read-write")
    run = city.configure("backup", "--limit", LETTERS[1], tags="mariadb")
    assert run.changed == {LETTERS[1]: 0}


def test_mariadb_hears_its_callers_alone_and_only_by_tls(city: City) -> None:
    """A caller's account is refused from elsewhere, and without TLS from everywhere."""
    secret = (city.secrets / "mariadb/letters-post/letters_app").read_text()
    words = ("mariadb", f"--password={secret}", "--user=letters_app", "-e", "SELECT 1")
    app, elsewhere = city.hosts["backup", LETTERS[0]], city.hosts[KEEPER]
    target = f"--host={city.ipv6('backup', LETTERS[1])}"
    with pytest.raises(CommandError, match="Access denied"):
        elsewhere.run(*words, target)
    with pytest.raises(CommandError, match=r"Access denied|insecure transport"):
        app.run(*words, target, "--skip-ssl")
    assert app.run(*words, target, "--ssl").split() == ["1", "1"]


def _mounted(city: City, server: tuple[str, str], folder: str) -> str:
    words = ("findmnt", "--noheadings", "--output", "FSTYPE,UUID", "--mountpoint", folder)
    return city.hosts[server].run(*words).strip()


def test_data_lies_on_its_volume_and_outlives_a_reboot(city: City) -> None:
    """Databases keep theirs on the volume; after a boot it is mounted again and they go on."""
    places = {
        PRIMARY: "/var/lib/postgresql",
        STANDBY: "/var/lib/postgresql",
        ("main", LETTERS[1]): "/var/lib/mysql",
    }
    before = {server: _mounted(city, server, place) for server, place in places.items()}
    stores = [_mounted(city, one, "/srv/backups") for one in (STANDBY, KEEPER)]
    assert all(one.startswith("ext4 ") for one in (*before.values(), *stores))
    number = write(city, "before the boot")
    for server in places:
        city.hosts[server].reboot()
    for server, place in places.items():
        wait_for(lambda: "active" in city.hosts[server].run("sh", "-c", ACTIVE))  # noqa: B023  called at once
        assert _mounted(city, server, place) == before[server]
    wait_for(lambda: request(city, "main", f"/records/{number}")[0] == 200)
    after = write(city, "after the boot")
    wait_for(lambda: request(city, "backup", f"/records/{after}")[0] == 200)
    wait_for(lambda: letters(city, "main", "/health")[1]["database"] == "read-write")
    booted = [name for site, name in places if site == "main"]
    run = city.configure("main", "--limit", ",".join(booted), tags="volumes,postgresql,mariadb")
    assert run.changed == dict.fromkeys(booted, 0)


def test_disk_that_holds_anything_is_not_formatted(city: City) -> None:
    """A disk with another file system is left as it is, and the run says that it won't mount."""
    host, disk = city.hosts[APPLICATIONS[0]], city.folder / "foreign.raw"
    with disk.open("wb") as made:
        made.truncate(64 * 2**20)
    city.segment.run("mkswap", "--label", "foreign", disk)
    host.attach(disk, "/dev/vdx", "foreign")
    mounts = [{"device": "/dev/vdx", "path": "/srv/foreign"}]
    with pytest.raises(AssertionError, match=r"srv.foreign"):
        city.give_role(*APPLICATIONS[0], "volumes", {"volumes_mounts": mounts})
    found = host.run("blkid", "--probe", "--output", "value", "--match-tag", "LABEL", "/dev/vdx")
    assert found.strip() == "foreign"


def test_people_pass_through_the_bastion_and_do_nothing_else(city: City) -> None:
    """An account of the bastion reaches another host's SSH port, no other port and no shell."""
    accounts = [{"name": "an", "keys": [JUMPER.public]}]
    variables = {"bastion_accounts": accounts}
    city.configure("main", "-e", json.dumps(variables), tags="bastion")
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
