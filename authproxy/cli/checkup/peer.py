"""The index of a configuration as somebody to talk to: with the proxy's account, with a made-up one, with none."""

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from authproxy.cli.checkup.dialect import DIALECTS, NO_UPLOAD, NO_UPLOAD_HEADERS, Dialect
from authproxy.cli.checkup.wire import PATIENCE, Answer, ask, basic
from authproxy.config import Config

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to ask, and with which headers."""

    url: str
    dialect: Dialect
    username: str | None
    own: dict[str, str] = field(repr=False)  # the proxy's credentials as a header; empty where it has none
    headers: dict[str, str]

    @property
    def host(self) -> str:
        """Its host, as `backend.url` has it."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]

    def get(self, target: str, credentials: dict[str, str] | None = None) -> Answer:
        """Ask for a page. Raises Unanswered."""
        return ask(self.url, target, {**self.headers, **(credentials or {})})

    def get_at(self, address: str, target: str, patience: float = PATIENCE) -> Answer:
        """Ask for a page at another address than its own. Raises Unanswered."""
        host = f"[{address}]" if ":" in address else address
        return ask(f"{urlsplit(self.url).scheme}://{host}:{self.port}/", target, self.headers, patience=patience)

    def try_upload(self, index: str, credentials: dict[str, str]) -> Answer:
        """Send an upload of nothing. Raises Unanswered."""
        headers = {**self.headers, **NO_UPLOAD_HEADERS, **credentials}
        return ask(self.url, self.dialect.upload.format(index), headers, method="POST", body=NO_UPLOAD)


def peer_of(config: Config) -> Peer:
    """The index that a configuration names."""
    backend = config.backend
    return Peer(
        url=backend.url,
        dialect=DIALECTS[backend.flavour],
        username=backend.username,
        own={} if backend.username is None else basic(backend.username, backend.password or ""),
        # The host that clients use, as the proxy itself sends it: an index behind a web server may go by that.
        headers={
            "Host": config.public_host,
            "X-Forwarded-Host": config.public_host,
            "X-Forwarded-Proto": config.public_scheme,
            "User-Agent": "authproxy-doctor",
        },
    )


def stranger() -> dict[str, str]:
    """Credentials that nobody has: an index that takes them takes any."""
    return basic(f"authproxy-doctor-{secrets.token_hex(4)}", secrets.token_urlsafe(24))
