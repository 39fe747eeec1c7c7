"""Write a site's configuration files."""

import configparser
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from lab import files
from lab.openstack import debian, fabric
from lab.openstack.sites import HOST, LOGIN, ZONES, Site

Sections = dict[str, dict[str, object]]

UNLIMITED = -1

SHIPPED = {
    "nova": ("api-paste.ini",),
    "neutron": ("api-paste.ini",),
    "cinder": ("api-paste.ini", "resource_filters.json"),
    "glance": ("glance-api-paste.ini",),
    "barbican": ("barbican-api-paste.ini",),
    "designate": ("api-paste.ini",),
}

FOLDERS = {
    "glance": ("images", "staging", "tasks"),
    "cinder": ("volumes", "conversion", "coord"),
    "designate": ("coord",),
}


def write(site: Site, project: str) -> None:
    """Write what the project needs on the site before it starts; again is fine."""
    state = site.state / project
    for folder in (
        site.db,
        site.log,
        site.backups,
        site.etc / project,
        state / "lock",
        *(state / name for name in FOLDERS.get(project, ())),
    ):
        files.make_folder(folder)
    if project in WRITERS:
        name = "glance-api" if project == "glance" else project
        files.write(
            site.etc / project / f"{name}.conf",
            text(_common(site, project), WRITERS[project](site)),
        )
    if project == "neutron" and site.hosts:
        for agent, writer in AGENTS.items():
            files.write(site.etc / f"neutron/{agent}.conf", text(_agent(site, agent), writer(site)))
    for shipped in SHIPPED.get(project, ()):
        shutil.copy(Path(sys.prefix, "etc", project, shipped), site.etc / project)
    if project == "keystone":
        _write_keys(site)


def text(*layers: Sections) -> str:
    """Give the INI text of the layers; later ones win."""
    out = configparser.RawConfigParser(default_section="")
    out.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    for layer in layers:
        out.read_dict(layer)
    buffer = io.StringIO()
    out.write(buffer)
    return buffer.getvalue()


def client(site: Site, **more: object) -> dict[str, object]:
    """Give the options with which a service authenticates to the identity service."""
    return {
        "auth_type": "password",
        "auth_url": site.url("keystone"),
        "username": "service",
        "password": site.credentials.service,
        "project_name": "service",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": site.name,
        **more,
    }


def _database(site: Site, name: str) -> dict[str, object]:
    return {
        "connection": site.database(name),
        "sqlite_synchronous": "false",
        "max_retries": 0,
    }


def _common(site: Site, project: str) -> Sections:
    return {
        "DEFAULT": {
            "debug": "false",
            "log_file": site.log / f"{project}.log",
            "use_stderr": "false",
            "default_log_levels": "neutronclient=ERROR,keystonemiddleware=ERROR,os_brick=ERROR,"
            "urllib3.connectionpool=ERROR,waitress.queue=ERROR,stevedore=CRITICAL,"
            "keystone.common.password_hashing=ERROR,sqlalchemy=WARNING,taskflow=WARNING,"
            "iso8601=WARNING",
            "transport_url": "inproc://",
            "rpc_response_timeout": 60,
            "executor_thread_pool_size": 16,
            "host": f"{site.name}-ctl",
            "state_path": site.state / project,
        },
        "database": _database(site, project),
        "keystone_authtoken": client(
            site,
            www_authenticate_uri=site.url("keystone"),
            service_token_roles="service",  # noqa: S106  (a role's name)
            service_token_roles_required="true",  # noqa: S106  (a switch)
            token_cache_time=3600,
        ),
        "service_user": client(site, send_service_user_token="true"),  # noqa: S106  (a switch)
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_concurrency": {"lock_path": site.state / project / "lock"},
        "oslo_policy": {"enforce_scope": "true"},
        "oslo_middleware": {"enable_proxy_headers_parsing": "true"},
        "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
    }


def _keystone(site: Site) -> Sections:
    state = site.state / "keystone"
    return {
        "DEFAULT": {"public_endpoint": site.url("keystone").removesuffix("/v3")},
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": state / "fernet"},
        "fernet_receipts": {"key_repository": state / "fernet"},
        "credential": {"key_repository": state / "credential"},
        "identity": {"password_hash_rounds": 4},
        "cache": {"expiration_time": 600},
    }


def _write_keys(site: Site) -> None:
    keys = {
        "fernet": {"0": site.credentials.credential, "1": site.credentials.fernet},
        "credential": {"0": site.credentials.credential},
    }
    for folder, named in keys.items():
        for name, key in named.items():
            files.write(site.state / "keystone" / folder / name, key)


def _placement(site: Site) -> Sections:
    return {"placement_database": _database(site, "placement")}


def _glance(site: Site) -> Sections:
    state = site.state / "glance"
    return {
        "DEFAULT": {
            "enabled_backends": "file:file",
            "enabled_import_methods": "[glance-direct,web-download,copy-image]",
            "worker_self_reference_url": site.url("glance"),
            "node_staging_uri": f"file://{state}/staging",
            "show_image_direct_url": "True",  # volumes and servers share an image's file
        },
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": state / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": state / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": state / "tasks"},
        "import_filtering_opts": {
            "allowed_schemes": "[http]",
            "allowed_hosts": f"[{HOST}]",
            "allowed_ports": f"[{site.port_of('mirror')}]",
        },
        "paste_deploy": {
            "flavor": "keystone",
            "config_file": site.etc / "glance/glance-api-paste.ini",
        },
        "wsgi": {"task_pool_threads": 4},
    }


def _neutron(site: Site) -> Sections:
    return {
        "DEFAULT": {
            "core_plugin": "lab.openstack.core.Plugin" if site.hosts else "ml2",
            "service_plugins": "router,qos,trunk,port_forwarding,network_ip_availability",
            "api_paste_config": site.etc / "neutron/api-paste.ini",
            "auth_strategy": "keystone",
            "dns_domain": f"{site.name}.lab.",
            "notify_nova_on_port_status_changes": "true",
            "notify_nova_on_port_data_changes": "true",
            "send_events_interval": 1,
            # Hosts have their addresses in their configuration; see docs/lab.md.
            "dhcp_agent_notification": "false",
            "enable_traditional_dhcp": "false",
            "network_auto_schedule": "false",
            "router_auto_schedule": "true" if site.hosts else "false",
            "global_physnet_mtu": 1500 if site.hosts else 9000,
        },
        "nova": client(site),
        "ml2": {
            "type_drivers": "geneve,vlan,flat,local",
            "tenant_network_types": "geneve",
            "mechanism_drivers": "openvswitch" if site.hosts else "citydc",
            "extension_drivers": "port_security,qos,dns_domain_keywords",
        },
        "ml2_type_geneve": {"vni_ranges": "1:65535", "max_header_size": 38},
        "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:3999"},
        "ml2_type_flat": {"flat_networks": "*"},
        "quotas": {
            f"quota_{name}": UNLIMITED
            for name in (
                "network",
                "subnet",
                "subnetpool",
                "port",
                "router",
                "floatingip",
                "security_group",
                "security_group_rule",
                "rbac_policy",
                "trunk",
            )
        },
    }


def _agent(site: Site, name: str) -> Sections:
    """Give what neutron's agents share."""
    return {
        "DEFAULT": {
            "log_file": site.log / f"neutron-{name}.log",
            "use_stderr": "false",
            "transport_url": f"unixbus://{fabric.bus_socket(site)}",
            "rpc_response_timeout": 60,
            "host": site.network_host,
            "state_path": site.state / "neutron",
            "interface_driver": "openvswitch",
        },
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_concurrency": {"lock_path": site.state / "neutron/lock"},
        "agent": {"root_helper": "", "report_interval": 30},
        "ovs": {"ovsdb_connection": fabric.switch_database(site)},
    }


def _ovs_agent(_site: Site) -> Sections:
    mappings = ",".join(f"{network}:{bridge}" for network, bridge in fabric.BRIDGES.items())
    return {
        "ovs": {"datapath_type": "netdev", "bridge_mappings": mappings, "local_ip": HOST},
        "agent": {"tunnel_types": "geneve", "polling_interval": 1},
        "securitygroup": {"firewall_driver": "openvswitch"},
    }


def _l3_agent(site: Site) -> Sections:
    return {
        "citydc": {"world": fabric.world_of(site), "device": site.name},
        "DEFAULT": {
            "agent_mode": "legacy",
            "enable_metadata_proxy": "false",
            "min_rtr_adv_interval": 3,
            "max_rtr_adv_interval": 10,
        },
        "agent": {"extensions": "citydc_outside,port_forwarding"},
    }


AGENTS: dict[str, Callable[[Site], Sections]] = {"ovs": _ovs_agent, "l3": _l3_agent}


def _nova(site: Site) -> Sections:
    return {
        "DEFAULT": {
            "compute_driver": "citydc_hosts.Driver" if site.hosts else "citydc.Driver",
            "resume_guests_state_on_host_boot": "true",
            "allow_resize_to_same_host": "true",
            "ram_allocation_ratio": 1.0,
            "cpu_allocation_ratio": 1.0,
            "disk_allocation_ratio": 1.0,
            "initial_cpu_allocation_ratio": 1.0,
            "vif_plugging_timeout": 120 if site.hosts else 0,
            "vif_plugging_is_fatal": "true" if site.hosts else "false",
            "block_device_allocate_retries": 120,
            "block_device_allocate_retries_interval": 1,
            "heal_instance_info_cache_interval": 600,
            "update_resources_interval": 600,
            "report_interval": 30,
            "service_down_time": 120,
            "my_ip": HOST,
        },
        "citydc": {
            "space": fabric.space_of(site),
            "switch": fabric.switch_database(site),
            "hosts": site.state / "nova/hosts",
            "network_host": site.network_host,
            "login": site.home.parent / LOGIN,
            "package_proxy": debian.PROXY,
        },
        "wsgi": {"api_paste_config": site.etc / "nova/api-paste.ini"},
        "api_database": _database(site, "nova_api"),
        "api": {"auth_strategy": "keystone", "max_limit": 1000},
        "placement": client(site),
        "neutron": client(site, service_metadata_proxy="false"),
        "cinder": client(site, catalog_info="block-storage::publicURL"),
        "glance": client(site),
        "key_manager": {"backend": "barbican"},
        "barbican": _barbican_client(site),
        "vnc": {"enabled": "false"},
        "scheduler": {"discover_hosts_in_cells_interval": UNLIMITED},
        "filter_scheduler": {
            "enabled_filters": "ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,"
            "ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter"
        },
        "quota": dict.fromkeys(
            (
                "cores",
                "instances",
                "ram",
                "key_pairs",
                "server_groups",
                "server_group_members",
            ),
            UNLIMITED,
        ),
    }


def _cinder(site: Site) -> Sections:
    state = site.state / "cinder"
    sections: Sections = {
        "DEFAULT": {
            "api_paste_config": site.etc / "cinder/api-paste.ini",
            "resource_query_filters_file": site.etc / "cinder/resource_filters.json",
            "auth_strategy": "keystone",
            "enabled_backends": ",".join(ZONES),
            "storage_availability_zone": ZONES[0],
            "default_availability_zone": ZONES[0],
            "default_volume_type": "standard",
            "glance_api_servers": site.url("glance"),
            "allowed_direct_url_schemes": "",
            "image_conversion_dir": state / "conversion",
            "rootwrap_config": "/dev/null",
            "backup_driver": "cinder.backup.drivers.posix.PosixBackupDriver",
            "backup_posix_path": site.backups,
            "backup_file_size": 33554432,
            "backup_sha_block_size_bytes": 32768,
            "backup_workers": 1,
            "backup_compression_algorithm": "zstd",
            "backup_enable_progress_timer": "false",
            "backup_use_same_host": "true",
            "periodic_fuzzy_delay": 1,
            # One process has one heartbeat, so the others would seem dead.
            "service_down_time": 10**8,
            **{
                f"quota_{name}": UNLIMITED
                for name in ("volumes", "gigabytes", "snapshots", "backups", "backup_gigabytes")
            },
            "my_ip": HOST,
        },
        "nova": client(site),
        "key_manager": {"backend": "barbican"},
        "barbican": _barbican_client(site),
        "coordination": {"backend_url": f"file://{state}/coord"},
    }
    for zone in ZONES:
        sections[zone] = {
            "volume_driver": "lab.openstack.volume.Driver",
            "volume_backend_name": zone,
            "backend_availability_zone": zone,
            "citydc_volume_dir": state / "volumes",
        }
    return sections


def _barbican_client(site: Site) -> dict[str, object]:
    return {
        "auth_endpoint": site.url("keystone"),
        "barbican_endpoint": site.url("barbican"),
        "barbican_region_name": site.name,
        "retry_delay": 1,
    }


def _barbican(site: Site) -> Sections:
    return {
        "DEFAULT": {"host_href": site.url("barbican"), "db_auto_create": "false"},
        "secretstore": {"enabled_secretstore_plugins": "store_crypto"},
        "crypto": {"enabled_crypto_plugins": "simple_crypto"},
        "simple_crypto_plugin": {"kek": site.credentials.barbican},
    }


def _octavia(site: Site) -> Sections:
    state = site.state / "octavia"
    return {
        "api_settings": {
            "api_base_uri": site.url("octavia"),
            "enabled_provider_drivers": "citydc:the lab's own",
            "default_provider_driver": "citydc",
        },
        "certificates": {"cert_manager": "barbican_cert_manager"},
        "service_auth": client(site),
        "neutron": client(site),
        "networking": {"use_remote_group_for_lb_peer_ports": "true"},
        "driver_agent": {
            "status_socket_path": state / "status.sock",
            "stats_socket_path": state / "stats.sock",
            "get_socket_path": state / "get.sock",
        },
    }


def _designate(site: Site) -> Sections:
    quotas: dict[str, object] = {
        f"quota_{name}": 10**6
        for name in ("zones", "zone_recordsets", "zone_records", "recordset_records")
    }
    return {
        "DEFAULT": quotas,
        "storage:sqlalchemy": {"connection": site.database("designate"), "max_retries": 0},
        "service:api": {
            "auth_strategy": "keystone",
            "enable_host_header": "true",
            "enable_api_v2": "true",
            "api_base_uri": site.url("designate"),
        },
        "service:mdns": {
            "listen": f"{HOST}:{site.port_of('mdns')}",
            "query_enforce_tsig": "false",
        },
        "service:worker": {
            "threads": 4,
            "poll_retry_interval": 1,
            "poll_delay": 1,
            "poll_timeout": 5,
            "poll_max_retries": 20,
        },
        "service:producer": {"threads": 4},
        "heartbeat_emitter": {"heartbeat_interval": 10},
        "coordination": {"backend_url": f"file://{site.state}/designate/coord"},
    }


WRITERS: dict[str, Callable[[Site], Sections]] = {
    "keystone": _keystone,
    "placement": _placement,
    "glance": _glance,
    "neutron": _neutron,
    "nova": _nova,
    "cinder": _cinder,
    "barbican": _barbican,
    "octavia": _octavia,
    "designate": _designate,
}
