"""
DNS: API, central, worker, producer and mdns in one process.

It also starts a real name server (bind9), which the zones are transferred to.
"""
# designate has no types.
# mypy: disable-error-code="import-untyped"

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import designate.manage.database
import yaml
from designate.api import wsgi
from designate.backend import impl_bind9
from designate.central import service as central
from designate.common import config
from designate.manage import pool
from designate.mdns import service as mdns
from designate.producer import service as producer
from designate.worker import service as worker
from oslo_config import cfg
from oslo_log import log

from lab import files
from lab.openstack.project import Project
from lab.openstack.sites import HOST, Site

POOL = "794ccc2c-d751-44fe-b57f-8894c9f5c842"
NAMED, RNDC, SETPRIV = "/usr/sbin/named", "/usr/sbin/rndc", "/usr/bin/setpriv"


def _sync(site: Site) -> None:
    log.register_options(cfg.CONF)
    cfg.CONF(
        [],
        project="designate",
        default_config_files=[str(site.etc / "designate/designate.conf")],
    )
    config.set_defaults()
    log.setup(cfg.CONF, "designate")
    designate.manage.database.DatabaseCommands().sync()


def _start(site: Site) -> Any:
    sys.argv = ["designate"]
    key = _start_name_server(site)
    impl_bind9.Bind9Backend.update_zone = _update_zone
    os.environ["OS_DESIGNATE_CONFIG_DIR"] = str(site.etc / "designate")
    app = wsgi.init_application()
    central.Service().start()
    pools = site.etc / "designate/pools.yaml"
    files.write(pools, yaml.safe_dump([_pool(site, key)]))
    pool.PoolCommands().update(str(pools), delete=False)
    worker.Service().start()
    producer.Service().start()
    mdns.Service().start()
    return app


def _update_zone(self: Any, context: Any, zone: Any) -> None:
    """
    Leave the zone's masters alone: there is one, which never changes.

    Designate's own sets them anew at each update; a refresh that is under way then never ends.
    """
    if not self.get_zone(context, zone):
        self.create_zone(context, zone)


def _start_name_server(site: Site) -> Path:
    """Start bind9 for the site; it lives as long as this process.  Give its control key's path."""
    home = site.state / "designate/bind"
    files.make_folder(home)
    # Debian's AppArmor profile for named lets it read its own folders only; it goes by the path.
    program = home / "named"
    shutil.copy(NAMED, program)
    key, settings = home / "rndc.key", home / "named.conf"
    files.write(key, f'key "rndc" {{ algorithm hmac-sha256; secret "{_rndc_secret(site)}"; }};\n')
    files.write(settings, _settings(site, home, key))
    with (site.log / "bind9.log").open("ab") as out:
        server = subprocess.Popen(  # noqa: S603  (paths of its own)
            [SETPRIV, "--pdeathsig", "KILL", program, "-g", "-n", "1", "-c", settings],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    threading.Thread(target=_end_with, args=(server,), daemon=True).start()
    return key


def _end_with(server: "subprocess.Popen[bytes]") -> None:
    """End this process when the name server ends, so that both are started again."""
    os._exit(server.wait() or 1)


def _rndc_secret(site: Site) -> str:
    return site.credentials.rndc.replace("-", "+").replace("_", "/")  # base64 of the usual kind


def _settings(site: Site, home: Path, key: Path) -> str:
    return f"""
include "{key}";
controls {{
  inet {HOST} port {site.port_of("rndc")} allow {{ {HOST}; }} keys {{ rndc; }};
}};
options {{
  directory "{home}";
  pid-file none;
  session-keyfile none;
  managed-keys-directory "{home}";
  listen-on port {site.port_of("bind9")} {{ {HOST}; }};
  listen-on-v6 {{ none; }};
  allow-new-zones yes;
  allow-notify {{ {HOST}; }};
  recursion no;
  request-ixfr no;
  dnssec-validation no;
  minimal-responses yes;
}};
"""


def _pool(site: Site, key: Path) -> dict[str, Any]:
    return {
        "name": "default",
        "id": POOL,
        "description": "",
        "attributes": {},
        "ns_records": [{"hostname": f"ns1.{site.name}.lab.", "priority": 1}],
        "nameservers": [{"host": HOST, "port": site.port_of("bind9")}],
        "targets": [
            {
                "type": "bind9",
                "description": "",
                "masters": [{"host": HOST, "port": site.port_of("mdns")}],
                "options": {
                    "host": HOST,
                    "port": site.port_of("bind9"),
                    "rndc_host": HOST,
                    "rndc_port": site.port_of("rndc"),
                    "rndc_key_file": str(key),
                    "rndc_bin_path": RNDC,
                },
            }
        ],
        "also_notifies": [],
    }


PROJECT = Project(databases=("designate",), sync=_sync, start=_start)
