"""What a scrape shows of a server of several processes that none of those knows."""

import signal
import urllib.request
from pathlib import Path

from tests.e2e.test_workers import PATIENCE, serving, wait_until
from tests.peers.ports import LOOPBACK, reserved_port


def test_what_the_supervisor_alone_knows_is_shown(tmp_path: Path) -> None:
    """How many serve, and a reload that failed: no worker hears of that, and none of them may hide it."""
    metrics = reserved_port()
    with serving(tmp_path, metrics=f"{LOOPBACK}:{metrics}") as scene:

        def shown(name: str) -> float:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{metrics}/metrics", timeout=PATIENCE) as page:
                [line] = [each for each in page.read().decode().splitlines() if each.startswith(f"{name} ")]
            return float(line.split()[-1])

        assert (shown("authproxy_workers_ready"), shown("authproxy_workers_configured")) == (2, 2)
        assert shown("authproxy_config_last_reload_successful") == 1
        good = scene.proxy.config.read_text()
        for text, well in (("listen: [", 0), (good, 1)):
            scene.proxy.config.write_text(text)
            scene.proxy.program.signal(signal.SIGHUP)
            wait_until(lambda well=well: shown("authproxy_config_last_reload_successful") == well, "it is not told")
        assert shown("authproxy_spool_bytes") == 0
        assert shown("process_resident_memory_bytes") > 30e6
