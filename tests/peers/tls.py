"""TLS before a server that speaks none, as the demo puts it there, with a CA of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from authproxy.cli.demo import front
from authproxy.cli.demo.issuer import tls_context
from tests.peers.ports import LOOPBACK, Address


@dataclass(frozen=True, slots=True)
class Secured:
    """Where it listens, and the certificate that vouches for it."""

    port: int
    ca_file: Path

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}/"


@contextmanager
def tls_before(address: Address, folder: Path, *, port: int = 0) -> Iterator[Secured]:
    """Run until the block ends."""
    authority = trustme.CA()
    ca_file = folder / "front-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with front.tls_before(address, tls_context(authority), port=port) as listening:
        yield Secured(listening, ca_file)
