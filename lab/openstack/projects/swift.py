"""
Objects: what Swift's process needs, and its start.

Swift needs eventlet, so it starts afresh (`lab.openstack.swift_server`) instead of being forked
from a process that does without.
"""

import os
import sys

from lab import files
from lab.openstack import configuration
from lab.openstack.project import Project
from lab.openstack.sites import HOST, Site

PARTS = ("account", "container", "object")
PIPELINE = (
    "catch_errors healthcheck listing_formats tempurl bulk authtoken s3api s3token "
    "keystoneauth copy slo dlo versioned_writes symlink proxy-server"
)
PLAIN_FILTERS = (
    "catch_errors",
    "healthcheck",
    "listing_formats",
    "tempurl",
    "copy",
    "slo",
    "dlo",
    "bulk",
    "symlink",
)


def _serve(site: Site) -> None:
    etc = site.etc / "swift"
    files.make_folder(site.state / "swift/d1")
    for name, text in texts(site).items():
        files.write(etc / name, text)
    os.execv(  # noqa: S606  (this program, with arguments of its own)
        sys.executable,
        [
            *(sys.executable, "-W", "ignore", "-m", "lab.openstack.swift_server"),
            *(str(etc), site.name),
            *(str(site.port_of(f"swift-{part}")) for part in PARTS),
        ],
    )


def texts(site: Site) -> dict[str, str]:
    """Give Swift's configuration files, name to text."""
    return {
        "swift.conf": configuration.text(
            {
                "swift-hash": {"swift_hash_path_suffix": site.credentials.swift},
                "storage-policy:0": {"name": "one", "default": "yes"},
            }
        ),
        "proxy-server.conf": configuration.text(_proxy(site)),
        **{f"{part}-server.conf": configuration.text(_storage(site, part)) for part in PARTS},
    }


def _common(site: Site, part: str, port: int) -> dict[str, object]:
    return {
        "swift_dir": site.etc / "swift",
        "devices": site.state / "swift",
        "mount_check": "false",
        "bind_ip": HOST,
        "bind_port": port,
        "log_name": part,
        "log_level": "WARNING",
        "disable_fallocate": "true",
        "fallocate_reserve": 0,
        "workers": 0,
    }


def _storage(site: Site, part: str) -> configuration.Sections:
    return {
        "DEFAULT": _common(site, part, site.port_of(f"swift-{part}")),
        "pipeline:main": {"pipeline": f"{part}-server"},
        f"app:{part}-server": {"use": f"egg:swift#{part}", "node_timeout": 10},
    }


def _proxy(site: Site) -> configuration.Sections:
    auth = configuration.client(
        site,
        www_authenticate_uri=site.url("keystone"),
        delay_auth_decision="true",
        include_service_catalog="false",
    )
    return {
        "DEFAULT": _common(site, "proxy", site.port_of("swift")),
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {
            "use": "egg:swift#proxy",
            "account_autocreate": "true",
            "allow_account_management": "true",
        },
        **{f"filter:{name}": {"use": f"egg:swift#{name}"} for name in PLAIN_FILTERS},
        "filter:s3api": {"use": "egg:swift#s3api", "location": site.name, "s3_acl": "false"},
        "filter:s3token": {
            "use": "egg:swift#s3token",
            "auth_uri": site.url("keystone"),
            **auth,
        },
        "filter:authtoken": {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            **auth,
        },
        "filter:keystoneauth": {
            "use": "egg:swift#keystoneauth",
            "operator_roles": "admin, member",
            "reseller_prefix": "AUTH",
        },
        "filter:versioned_writes": {
            "use": "egg:swift#versioned_writes",
            "allow_versioned_writes": "true",
            "allow_object_versioning": "true",
        },
    }


PROJECT = Project(serve=_serve)
