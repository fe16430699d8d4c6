"""Who answers where the proxy listens: the proxy, nobody, or a program that has its port.

Nothing is said of a unix socket, of a port that the system chooses, and where a PROXY protocol header would be taken
from the balancer's address alone.
"""

from collections.abc import Iterator

from authproxy.cli.checkup.finding import Finding, ok, warning
from authproxy.cli.failures import Failure
from authproxy.cli.probe import NobodyThere, ask, url_of
from authproxy.config import Address, Config


def check_listener(config: Config) -> Iterator[Finding]:
    """Ask there for the page that says that the proxy runs."""
    if not isinstance(config.listen, Address) or not config.listen.port or config.proxy_protocol:
        return
    url = url_of(config)
    try:
        found = ask(url, "/-/healthz", prefaced=False)
    except NobodyThere:
        yield ok("listen", f"nobody listens at {url}: the server does not run, or systemd hands it another socket")
        return
    except Failure as failure:
        yield _foreign(url, failure.message.rpartition(": ")[2])
        return
    yield ok("listen", f"authproxy answers at {url}") if found.is_ours else _foreign(url, "its page is none of ours")


def _foreign(url: str, why: str) -> Finding:
    return warning(
        "listen",
        f"what listens at {url} is no authproxy that is well: {why}",
        "the server cannot start there: stop what listens, or choose another port; if it is authproxy, see its log",
    )
