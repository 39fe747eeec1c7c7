"""
Grafana's dashboards as code: `python -m monitoring.boards` writes `dashboards/*.json`.

Each is a row of panels after another; any Prometheus-compatible store serves them.
"""

from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH, HEIGHT = 8, 7  # three in a row of 24


class Query(NamedTuple):
    """What is asked, and how each answer is named."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """A picture: over time, or the figure of now."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    now: bool = False


class Board(NamedTuple):
    """A dashboard."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def _one(title: str, unit: str, expr: str, legend: str, *, now: bool = False) -> Panel:
    return Panel(title, unit, (Query(expr, legend),), now)


OPERATIONS = Board(
    "citydc-operations",
    "Vận hành · Operations",
    (
        _one("Cảnh báo · Alerts", "none",
             'count by (alertname, severity) (ALERTS{alertstate="firing"}) or vector(0)',
             "{{alertname}} {{severity}}", now=True),
        _one("Dịch vụ không trả lời · Services down", "none",
             'count(ALERTS{alertname="ServiceDown", alertstate="firing"}) or vector(0)',
             "down", now=True),
        _one("Thiết bị đo không trả lời · Devices not read", "none",
             "count(citydc_collector_up == 0) or vector(0)", "silent", now=True),
        _one("Tải của UPS · UPS load", "percentunit", "site_node:citydc_load:ratio",
             "{{site}} {{node}}"),
        _one("Công suất · Power at the utility", "watt",
             'citydc_power_watts{node=~"utility-.*"}', "{{site}} {{node}}"),
        _one("Nhiệt độ khí vào · Inlet temperature", "celsius",
             'max by (site, rack) (citydc_temperature_celsius{place="inlet"})',
             "{{site}} {{rack}}"),
        _one("Điểm sương · Dew point", "celsius", "citydc_dew_point_celsius",
             "{{site}} {{rack}} {{place}}"),
        _one("Số đo theo kết quả · Readings by verdict", "ops",
             "sum by (site, verdict) (rate(citydc_readings_total[5m]))", "{{site}} {{verdict}}"),
        _one("Thời gian dò · Probe duration", "s",
             "max by (service, family) (citydc_probe_duration_seconds)", "{{service}} {{family}}"),
        _one("Tuổi số đo · Age of readings", "s",
             "max by (site) (citydc_collector_age_seconds)", "{{site}}"),
        _one("Chứng thư hết hạn sau · Certificates expire in", "s",
             "min by (service) (citydc_certificate_expiry_timestamp_seconds) - time()",
             "{{service}}"),
        _one("Công suất theo tủ · Power by rack PDU", "watt",
             'citydc_power_watts{node=~"pdu-.*"}', "{{site}} {{node}}"),
    ),
)  # fmt: skip

EFFICIENCY = Board(
    "citydc-efficiency",
    "Hiệu quả năng lượng · Efficiency",
    (
        Panel("PUE (tạm tính · interim)", "none", (
            Query('citydc_indicator{indicator="PUE", window="month"}', "{{site}} C{{category}}"),
            Query('citydc_indicator_lower{indicator="PUE", window="month"}', "{{site}} ≥"),
            Query('citydc_indicator_upper{indicator="PUE", window="month"}', "{{site}} ≤"),
        )),
        _one("Chỉ tiêu PUE · PUE targets", "none", 'citydc_target{indicator="PUE"}', "{{target}}"),
        _one("Các chỉ số · Indicators of the month", "none",
             'citydc_indicator{window="month"}', "{{site}} {{indicator}}", now=True),
        _one("Độ phủ · Coverage", "percentunit",
             'citydc_indicator_coverage_ratio{window="month"}', "{{site}} {{indicator}}"),
        _one("Phần ước tính · Estimated share", "percentunit",
             'citydc_indicator_estimated_ratio{window="month"}', "{{site}} {{indicator}}"),
        _one("Điện năng mỗi giờ · Energy of the last hour", "joule",
             'site_node:citydc_energy_joules:delta1h{node=~"utility-.*|generator|pv"}',
             "{{site}} {{node}}"),
        _one("Nước mỗi giờ · Water of the last hour", "litre",
             "site_node:citydc_water_litres:delta1h", "{{site}} {{node}}"),
        _one("Năng lượng theo dịch vụ · Energy by service, last hour", "joule",
             "service:citydc_service_energy_joules:delta1h", "{{service}}"),
        _one("Ngoài công tơ · Unmetered power", "watt",
             "rate(citydc_unmetered_energy_joules_total[1h])", "{{site}} {{node}}"),
    ),
)  # fmt: skip

AVAILABILITY = Board(
    "citydc-availability",
    "Độ sẵn sàng · Availability",
    (
        _one("Độ sẵn sàng của tháng · Availability of the month", "percentunit",
             'citydc_availability_ratio{window="month", kind="net"}', "{{service}} {{family}}",
             now=True),
        _one("Ngân sách lỗi còn lại · Error budget remaining", "percentunit",
             "citydc_error_budget_remaining_ratio", "{{service}}", now=True),
        _one("Mục tiêu · Objectives", "percentunit", "citydc_availability_objective_ratio",
             "{{service}}", now=True),
        _one("Tốc độ tiêu ngân sách, 1 giờ · Burn rate over 1 h", "none",
             "service_family:citydc_bad:ratio_rate1h"
             " / on (service) group_left () service:citydc_budget:ratio",
             "{{service}} {{family}}"),
        _one("Tốc độ tiêu ngân sách, 3 ngày · Burn rate over 3 d", "none",
             "service_family:citydc_bad:ratio_rate3d"
             " / on (service) group_left () service:citydc_budget:ratio",
             "{{service}} {{family}}"),
        _one("Không rõ · Unknown share of the last hour", "percentunit",
             "sum by (service, family)"
             ' (rate(citydc_availability_seconds_total{state="unknown"}[1h]))'
             " / sum by (service, family) (rate(citydc_availability_seconds_total[1h]))",
             "{{service}} {{family}}"),
        Panel("Giới hạn của tháng · Bounds of the month", "percentunit", (
            Query('citydc_availability_ratio_lower{window="month", kind="net"}',
                  "{{service}} {{family}} ≥"),
            Query('citydc_availability_ratio_upper{window="month", kind="net"}',
                  "{{service}} {{family}} ≤"),
        )),
        _one("Dò theo nơi quan sát · Probes by observer", "none",
             "min by (service, family, observer) (citydc_probe_success)",
             "{{service}} {{family}} {{observer}}"),
    ),
)  # fmt: skip

RECOVERY = Board(
    "citydc-recovery",
    "Phục hồi · Recovery",
    (
        _one("Trễ sao chép · Replication lag", "s",
             "max by (service, database) (citydc_replication_lag_seconds)",
             "{{service}} {{database}}"),
        _one("Trễ so với RPO · Lag against RPO", "percentunit",
             "max by (service, database) (citydc_replication_lag_seconds)"
             " / on (service) group_left () citydc:rpo:seconds", "{{service}} {{database}}"),
        _one("Tuổi bản sao lưu · Age of backups", "s", "citydc_backup_age_seconds",
             "{{service}} {{database}}"),
        _one("Từ lần phục hồi thử · Since a restore was verified", "s",
             "time() - citydc_restore_verified_timestamp_seconds", "{{service}} {{database}}"),
        _one("Từ lần diễn tập · Since the last drill", "s",
             "time() - citydc_drill_timestamp_seconds", "{{service}}"),
        _one("Dự phòng chuyển vùng · Failover headroom", "percentunit",
             "citydc_failover_headroom_ratio", "{{site}} {{resource}}", now=True),
        _one("Dung lượng đã dùng · Capacity used", "percentunit",
             "citydc_capacity_used / citydc_capacity_limit", "{{site}} {{resource}} {{name}}"),
    ),
)  # fmt: skip

BOARDS = (OPERATIONS, EFFICIENCY, AVAILABILITY, RECOVERY)


def text(board: Board) -> str:
    """Return the dashboard's JSON."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .tags(["citydc"])
        .timezone("Asia/Ho_Chi_Minh")
        .refresh("1m")
        .time("now-24h", "now")
    )
    for panel in board.panels:
        built = built.with_panel(_picture(panel))
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(built.build()) + "\n"


def _picture(panel: Panel) -> stat.Panel | timeseries.Panel:
    picture = stat.Panel() if panel.now else timeseries.Panel()
    picture = picture.title(panel.title).unit(panel.unit).datasource(SOURCE)
    picture = picture.span(WIDTH).height(HEIGHT)
    for query, name in zip(panel.queries, "ABC", strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(name)
        picture = picture.with_target(target.instant() if panel.now else target.range())
    return picture


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in BOARDS:
        (FOLDER / f"{one.uid}.json").write_text(text(one), encoding="utf-8")
