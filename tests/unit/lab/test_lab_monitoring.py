"""How the lab's Prometheus and Alertmanager are told what to do."""

from pathlib import Path

import yaml

from lab.monitoring.servers import Monitoring
from lab.openstack import ports, sites
from lab.plant import places


def _configured(found: Monitoring) -> dict[str, object]:
    found.configure()
    loaded: dict[str, object] = yaml.safe_load((found.folder / "prometheus.yaml").read_text())
    return loaded


def test_the_city_s_rules_run_at_the_lab_s_addresses(tmp_path: Path) -> None:
    """Rules are the city's own files; alerts and samples go to the lab's own servers."""
    data = _configured(Monitoring(tmp_path, 28000))
    assert isinstance(data["rule_files"], list)
    assert len(list(Path("/").glob(data["rule_files"][0].lstrip("/")))) >= 4
    assert data["remote_write"] == [{"url": "http://127.0.0.1:28082/api/v1/write"}]
    assert "127.0.0.1:28081" in str(data["alerting"])


def test_exporters_may_be_elsewhere(tmp_path: Path) -> None:
    """A job whose address is given is scraped there, and no other is scraped."""
    data = _configured(Monitoring(tmp_path, 28000, {"citydc-energy": "127.0.0.1:1234"}))
    jobs = data["scrape_configs"]
    assert isinstance(jobs, list)
    assert [one["job_name"] for one in jobs] == ["citydc-energy"]
    assert jobs[0]["static_configs"] == [{"targets": ["127.0.0.1:1234"]}]


def test_monitoring_s_ports_are_nobody_else_s(tmp_path: Path) -> None:
    """They are among the main site's, beside its services' and devices'."""
    mine = {server.port for server in Monitoring(tmp_path, 28000).servers()}
    main = sites.load(tmp_path, 28000)[0]
    assert mine == {28080, 28081, 28082}
    assert not mine & {*ports.services(main).values(), *places.ports(28000)["main"]}
