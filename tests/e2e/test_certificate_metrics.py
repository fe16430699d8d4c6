"""What a scrape shows of a certificate that a reload could not take: the alert for it goes by that."""

import json
import re
import signal
import urllib.request
from pathlib import Path

import pytest
import trustme

from tests.e2e.test_entrances import PATIENCE, certificate, started, wait_until
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.proxy import installation
from tests.peers.recording import RecordingIndex


def reloads(metrics: str) -> dict[str, str]:
    """How the last reloads went."""
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=PATIENCE) as page:
        return dict(re.findall(r"^authproxy_(\w+)_last_reload_successful (\S+)$", page.read().decode(), re.MULTILINE))


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "workers"])
def test_a_certificate_that_cannot_be_taken_is_seen(tmp_path: Path, recording: RecordingIndex, workers: int) -> None:
    """By its own metric beside that of the configuration, in a server whose supervisor alone has read the file too;
    a mistake of another kind is none of the certificate's, and a good file mends both.
    """
    metrics = f"{LOOPBACK}:{reserved_port()}"
    made = installation(tmp_path / "p", recording.url, workers=workers, metrics=metrics)
    settings = json.loads(made.config.read_text())
    settings |= {"tls": {"certificate": "chain.pem", "key": "key.pem"}, "public_url": "https://pypi.test/"}
    made.config.write_text(json.dumps(settings))
    certificate(made, ca := trustme.CA(), "first")
    with started(made) as program:

        def come_to(config: str, tls: str) -> None:
            program.signal(signal.SIGHUP)
            wait_until(lambda: reloads(metrics) == {"config": config, "tls": tls}, f"{config}, {tls} is never shown")

        come_to("1.0", "1.0")
        made.config.write_text("listen: [\n")
        come_to("0.0", "1.0")
        made.config.write_text(json.dumps(settings))
        (made.folder / "key.pem").write_bytes(ca.issue_cert("pypi.test").private_key_pem.bytes())
        come_to("0.0", "0.0")
        certificate(made, ca, "third")
        come_to("1.0", "1.0")
        (made.folder / "chain.pem").unlink()
        come_to("0.0", "0.0")
