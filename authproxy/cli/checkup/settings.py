"""What the configuration says of where the proxy stands: its public URL, its listener, the proxies that it believes.

Looks at nothing but the configuration.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.config import LET_READ, NOBODY_READS, Address, Config
from authproxy.config.listening import UNIX_PEER, shown_proxy
from authproxy.domain.passwords import Passwords

# A network of this many addresses is one of containers or of one site's machines; what is larger has clients in it.
PROXIES_AT_MOST: Final = 2**16

_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - nothing listens here
_PORTS: Final = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host by that name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def where(config: Config) -> Address:
    """Where the proxy listens. A unix socket is like a port of this machine that nobody else has."""
    return config.listen if isinstance(config.listen, Address) else Address("localhost", 0)


def check_config(config: Config) -> Iterator[Finding]:
    """What was not wrong enough for the configuration to be refused."""
    warnings = [each for each in config.warnings if not each.sentence.startswith(NOBODY_READS)]
    for each in warnings:
        yield warning("config", f"{each.file}:{each.line}: {each.sentence}", "mend it, and send the server SIGHUP")
    if not warnings:
        yield ok("config", f"{config.file} is valid")


def check_readers(config: Config) -> Iterator[Finding]:
    """Whether anybody may read at all. Nothing is said where somebody may."""
    if config.nobody_reads:
        advice = f"{LET_READ} of key_policies, send the server SIGHUP, and make each reader a key"
        yield problem("readers", NOBODY_READS, advice)


def check_public_url(config: Config) -> Iterator[Finding]:
    """Whether keys travel in the clear, and whether clients are sent to where the proxy is."""
    url = urlsplit(config.public_url)
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    if url.scheme == "http" and not is_loopback(host):
        yield warning(
            "public-url",
            f"public_url is {config.public_url}: keys travel in the clear, and pip refuses http:// hosts",
            "put a web server with TLS before the proxy, and write its https:// address into public_url",
        )
    elif url.scheme == "http" and where(config).port not in (0, port):
        yield warning(
            "public-url",
            f"public_url sends clients to port {port}, and the proxy listens at {config.listen}",
            "write the port at which clients reach the proxy into public_url",
        )
    elif url.scheme == "https" and not (config.tls or is_loopback(where(config).host) or config.trusted_proxies):
        yield warning(
            "public-url",
            f"public_url is https, and the proxy itself listens at {config.listen} without TLS: who goes there sends "
            "his key in the clear",
            "listen at 127.0.0.1, or let only the web server that has the certificate reach that port",
        )
    else:
        yield ok("public-url", f"clients are sent to {config.public_url}")


def check_trusted_proxies(config: Config) -> Iterator[Finding]:
    """Whether the address that networks and throttling go by is the client's."""
    trusted = config.trusted_proxies
    wide = [str(each) for each in trusted if each.num_addresses > PROXIES_AT_MOST]
    near = [each for each in trusted if each == UNIX_PEER or each.network_address.is_loopback]
    apart = [str(each) for each in trusted if is_loopback(where(config).host) and each not in near]
    if not trusted and config.public_scheme == "https" and config.tls is None:
        yield warning(
            "trusted-proxies",
            "something before the proxy ends TLS, and trusted_proxies is empty: every client seems to come from there, "
            "so networks of keys do not hold and one client can throttle all",
            "name that server's address in trusted_proxies",
        )
    elif wide:
        yield warning(
            "trusted-proxies",
            f"trusted_proxies holds {', '.join(wide)}: everybody in there can choose the address that he is seen with",
            "name the addresses of the proxies themselves",
        )
    elif apart:
        yield warning(
            "trusted-proxies",
            f"the proxy listens at {config.listen}, where {', '.join(apart)} of trusted_proxies never connects from",
            "take it out, or name 127.0.0.1 and ::1 where the web server runs on this machine",
        )
    else:
        believed = ", ".join(map(shown_proxy, trusted)) or "nobody"
        yield ok("trusted-proxies", f"X-Forwarded-For is believed of {believed}")


def check_passwords(config: Config, *, now: int) -> Iterator[Finding]:
    """Whether the index's own passwords still upload, and until when."""
    rule = config.policy.passwords
    taken = [each for each in (rule.uploads, *(each.passwords for each in config.policy.packages)) if each is not None]
    if all(each is Passwords.REFUSE for each in taken):
        yield ok("passwords", "uploads take a key: the index's own passwords are refused")
    elif rule.until is None:
        yield warning(
            "passwords",
            "the index's own passwords still upload, and there is no day on which that ends",
            "ask those whom `authproxy audit passwords` names to take a key, and write passwords.until",
        )
    elif rule.over(now) is not None:
        yield ok("passwords", f"the index's own passwords upload nothing any more since {rule.until} has passed")
    else:
        yield ok("passwords", f"the index's own passwords still upload, until {rule.until}")


def check_circle(config: Config) -> Iterator[Finding]:
    """Whether the proxy would ask itself. Nothing is said where it would not."""
    url = urlsplit(config.backend.url)
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    same_host = host == where(config).host or (where(config).host in _ANYWHERE and is_loopback(host))
    if same_host and port == where(config).port:
        yield problem(
            "index",
            f"backend.url is {config.backend.url}, and that is where the proxy itself listens",
            "write the address of the index into backend.url, and another port than its own into listen",
        )
