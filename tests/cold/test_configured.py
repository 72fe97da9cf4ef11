"""Which observers run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.cold.configured import DEFAULT_ARCHIVE_BYTES, archive_of, configured
from sidecar.cold.volume import left, room_beside
from sidecar.journal import JournalSettings
from sidecar.policy import Platform
from sidecar.policy.platform import Archive, Trace
from sidecar.policy.watching import watching_of
from tests.policytest.desk import policy

KINDS = ("archive", "metrics", "shadow", "traces")


def test_archive_and_metrics_always_run() -> None:
    running, idle = configured(KINDS, Platform(), (), {})
    assert running == {"archive": Archive(to="archive", max_bytes=DEFAULT_ARCHIVE_BYTES), "metrics": None}
    assert sorted(idle) == ["shadow", "traces"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in idle["traces"]


def test_the_archive_is_where_the_platform_says() -> None:
    section = Archive(to="s3://lake/x")
    assert configured(KINDS, Platform(archive=section), (), {}, room_bytes=7)[0]["archive"] is section


@pytest.mark.parametrize("stated", [None, Archive(), Archive(every=5.0), Archive(retain=60.0)])
def test_nobody_asked_for_the_default_folder_so_it_must_not_fill_the_disk(stated: Archive | None) -> None:
    section = configured(KINDS, Platform(archive=stated), (), {})[0]["archive"]
    assert (section.to, section.max_bytes) == ("archive", DEFAULT_ARCHIVE_BYTES)
    assert section.every == (stated or Archive()).every
    small = configured(KINDS, Platform(archive=stated), (), {}, room_bytes=10**8)[0]["archive"]
    assert small.max_bytes == 10**8, "no more than its volume has"


def test_a_limit_that_is_stated_is_the_limit() -> None:
    section = archive_of(Platform(archive=Archive(max_bytes=10**12)), 10**8)
    assert (section.to, section.max_bytes) == ("archive", 10**12)


def test_what_a_volume_has_for_an_archive_beside_a_journal() -> None:
    gib = 2**30
    assert left(20 * gib, 1 * gib) == 17 * gib
    assert left(2 * gib, gib) == int(0.9 * 2 * gib) - gib
    most = int(0.9 * gib)  # the largest journal there is
    assert 0 < left(gib, most) < gib - most, "both together never fill it"
    assert left(gib, 2 * gib) == 0


def test_a_journal_on_another_volume_takes_nothing_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    settings = JournalSettings(max_bytes=1 << 50)
    shared = room_beside(tmp_path / "journal", tmp_path / "archive", settings)
    alone = room_beside(Path("/proc"), tmp_path / "archive", settings)
    assert shared is not None and alone is not None
    assert 0 < shared < alone
    assert room_beside(tmp_path / "journal", tmp_path / "no" / "archive", settings) is None


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
