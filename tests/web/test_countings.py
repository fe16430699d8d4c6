"""Groups of counts that more than one place counts for."""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from authproxy.web.countings import ConfigMetrics, CrewMetrics, TlsMetrics
from authproxy.web.entrance import Tls
from tests.web.test_entrance import pair

SUCCESSFUL = "authproxy_config_last_reload_successful"
SINCE = "authproxy_config_last_reload_success_timestamp_seconds"


def test_a_reload_that_fails_leaves_the_time_of_the_last_that_did_not() -> None:
    """A start counts as one that went well."""
    registry = CollectorRegistry()
    config = ConfigMetrics(registry)
    since = registry.get_sample_value(SINCE)
    assert abs(since - time.time()) < 60
    config.reloaded(well=False)
    assert (registry.get_sample_value(SUCCESSFUL), registry.get_sample_value(SINCE)) == (0, since)
    config.reloaded(well=True)
    assert registry.get_sample_value(SUCCESSFUL) == 1


def test_a_supervisor_has_its_own() -> None:
    """Workers, and reloads that no worker hears of."""
    registry = CollectorRegistry()
    crew = CrewMetrics(registry)
    crew.deaths.inc()
    assert registry.get_sample_value("authproxy_worker_deaths_total") == 1
    assert registry.get_sample_value(SUCCESSFUL) == 1


def test_the_certificate_that_is_shown_has_an_end(tmp_path: Path) -> None:
    """As long as the old one is in use, its own; a pair that does not fit is a reload that failed."""
    files, _ = pair(tmp_path, "pypi.test")
    tls, registry = Tls(files), CollectorRegistry()
    tls.renew()  # nobody follows yet
    tls.follow(registry)
    end = registry.get_sample_value("authproxy_tls_certificate_expiry_timestamp_seconds")
    assert end > time.time()
    files.certificate.write_text("no certificate\n", encoding="utf-8")
    tls.renew()
    assert registry.get_sample_value("authproxy_tls_last_reload_successful") == 0
    assert registry.get_sample_value("authproxy_tls_certificate_expiry_timestamp_seconds") == end
    without = CollectorRegistry()
    Tls(None).follow(without)
    TlsMetrics(without)  # the names are free: nothing is shown without TLS
