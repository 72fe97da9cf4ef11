"""Which observers run."""

from __future__ import annotations

from sidecar.cold.configured import DEFAULT_ARCHIVE, configured
from sidecar.policy import Platform
from sidecar.policy.platform import Archive, Trace
from sidecar.policy.watching import watching_of
from tests.policytest.desk import policy

KINDS = ("archive", "metrics", "shadow", "traces")


def test_archive_and_metrics_always_run() -> None:
    running, idle = configured(KINDS, Platform(), (), {})
    assert running == {"archive": DEFAULT_ARCHIVE, "metrics": None}
    assert DEFAULT_ARCHIVE.max_bytes is not None, "nobody asked for it, so it must not fill the disk"
    assert sorted(idle) == ["shadow", "traces"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in idle["traces"]


def test_the_archive_is_where_the_platform_says() -> None:
    section = Archive(to="s3://lake/x")
    assert configured(KINDS, Platform(archive=section), (), {})[0]["archive"] is section


def test_a_collector_makes_traces_run() -> None:
    platform = Platform(trace=Trace(sample=0.5))
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        running, _ = configured(KINDS, platform, (), {name: "http://collector:4318"})
        assert running["traces"] == platform.trace
        assert running["metrics"] == platform.trace, "exemplars lead to traces that are exported"


def test_a_collector_may_be_named_by_the_platform_and_switched_off_by_the_environment() -> None:
    platform = Platform(trace=Trace(to="http://collector:4318"))
    assert configured(KINDS, platform, (), {})[0]["traces"] == platform.trace
    running, idle = configured(KINDS, platform, (), {"OTEL_SDK_DISABLED": "true"})
    assert "traces" not in running
    assert "OTEL_SDK_DISABLED" in idle["traces"]


def test_a_collector_named_by_the_environment_must_be_on_the_list_of_hosts() -> None:
    listed = Platform(hosts=("127.0.0.1", "*.mon.svc"))
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        assert "traces" in configured(KINDS, listed, (), {name: "http://otel.mon.svc:4318"})[0]
        running, idle = configured(KINDS, listed, (), {name: "http://elsewhere:4318"})
        assert "traces" not in running
        assert idle["traces"] == f"the host 'elsewhere' of {name} is not in `hosts:`"


def test_access_lines_are_written_where_somebody_asked_for_them() -> None:
    assert configured(("access",), Platform(), (), {}, "stderr")[0] == {"access": "stderr"}
    for nobody in ("", "off"):
        running, idle = configured(("access",), Platform(), (), {}, nobody)
        assert running == {}
        assert "--access-log" in idle["access"]


def test_alerts_run_where_a_policy_watches_something() -> None:
    quiet, asking = policy("features: {a: {type: int}}"), policy("features: {a: {min: 0, repair_alert_above: 1%}}")
    running, idle = configured(("alerts",), Platform(), (quiet,), {})
    assert running == {}
    assert "repair_alert_above" in idle["alerts"]
    running, _ = configured(("alerts",), Platform(), (quiet, asking), {})
    assert running["alerts"] == {asking.name: watching_of(asking)}
    assert running == configured(("alerts",), Platform(), (quiet, asking), {})[0], "a reload that changes nothing"
