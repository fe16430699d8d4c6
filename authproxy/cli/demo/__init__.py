"""`authproxy demo`: the whole story on one machine, with nothing but real programs.

An unchanged index with one shared password (`upstreams` has a row for each kind), the proxy before it, two keys, and
lines to paste. `selftest` does what the lines say. With --oidc (`trustedstory`, `trustedtest`) jobs of a CI publish
without a key: an issuer of our own stands in for GitHub and GitLab, and TLS before the proxy. The demo stands on
`authproxy serve` and on the functions of `authproxy key`: it has no way of its own into the proxy.
"""

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from authproxy.cli.demo.upstreams import PYPISERVER, UPSTREAMS, Upstream
from authproxy.cli.failures import Exit, Failure
from authproxy.cli.output import say

if TYPE_CHECKING:
    from authproxy.cli.demo.installation import Installation, Trust
    from authproxy.cli.demo.selftest import Stage, Steps
    from authproxy.cli.issuing import Issued

# Where the demo listens if it can: ports that a person remembers while the lines scroll by.
PROXY_PORT, INDEX_PORT, TLS_PORT = 8080, 8081, 8443

# How often a demo that waits for Ctrl-C looks whether its servers still run.
WATCH_SECONDS = 0.5


@click.command(short_help="See it work: a real index, the proxy before it, keys, lines to paste.")
@click.option(
    "--upstream",
    "flavour",
    type=click.Choice(tuple(UPSTREAMS)),
    default=PYPISERVER.flavour,
    show_default=True,
    help="The index that the proxy stands before.",
)
@click.option("--oidc", is_flag=True, help="Without keys: jobs of a CI publish with their ID tokens, over TLS.")
@click.option("--self-test", is_flag=True, help="Do all of it with the real clients, say how each step ended, and end.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the installation to DIR (new or empty) and leave it there.",
)
def demo(flavour: str, oidc: bool, self_test: bool, keep: Path | None) -> Exit:
    """Start a real index, the proxy before it, and make keys for two packages.

    Prints lines for twine, uv and pip to paste into another terminal, and one that must be refused. Everything runs
    on this machine alone, in a temporary directory that goes away on Ctrl-C.

    With --oidc an issuer of ID tokens runs besides, which signs what GitHub and GitLab sign for their jobs, and uv, pdm
    and twine publish with nothing but that.
    """
    upstream = UPSTREAMS[flavour]
    _all_there(upstream, oidc=oidc)
    if oidc and keep is not None:
        raise click.UsageError("--oidc cannot be kept: its issuer and its certificates live as long as the demo")
    with _told_to_stop(), _directory(keep) as root:
        return _play(upstream, root, self_test=self_test, kept=keep is not None, oidc=oidc)


def _all_there(upstream: Upstream, *, oidc: bool) -> None:
    from authproxy.cli.demo.clients import missing

    extra = "demo-oidc" if oidc else upstream.extra
    absent = missing((*upstream.requires, "trustme"), ("pdm",) if oidc else ())
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        raise Failure(
            f"the demo runs a real index and real clients, and {', '.join(absent)} {verb} not installed: "
            f"pip install '.[{extra}]' in a checkout of authproxy, as `make demo` does"
        )


@contextlib.contextmanager
def _told_to_stop() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that its servers end with it.

    Only the first signal is heard: a second Ctrl-C must not keep us from ending what we started, and that is bounded.
    """
    heard: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
        heard.append(number)
        if len(heard) == 1:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="authproxy-demo-") as root:
            yield Path(root)
        return
    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise Failure(f"{keep} is not empty: name a new directory, the demo overwrites nothing")
    yield keep.resolve()


def _play(upstream: Upstream, root: Path, *, self_test: bool, kept: bool, oidc: bool) -> Exit:
    from authproxy.cli.demo import selftest, story
    from authproxy.cli.demo.children import ChildFailed, free_ports, running, wait_until_ready
    from authproxy.cli.demo.clients import clean_environment
    from authproxy.cli.demo.installation import CORE, WEB, install

    preferred = (None, None) if self_test else (PROXY_PORT, INDEX_PORT)
    proxy_port, index_port = free_ports(*preferred)
    with _trust(root, proxy_port, self_test=self_test) if oidc else contextlib.nullcontext() as trust:
        say(f"starting an index, the proxy before it, and making {'an issuer' if trust else 'two keys'} ...")
        try:
            made = install(upstream, root, proxy_port=proxy_port, index_port=index_port, trust=trust)
        except ChildFailed as failure:
            raise Failure(str(failure)) from None
        environment = clean_environment(root)
        with (
            running("the index", made.index_command(), log=root / "index.log", environment=environment) as index,
            running("the proxy", made.proxy_command(), log=root / "proxy.log", environment=environment) as proxy,
            tempfile.TemporaryDirectory(prefix="authproxy-clients-") as home,
        ):
            try:
                wait_until_ready(index, index_port, upstream.ready)
                wait_until_ready(proxy, proxy_port, "/-/readyz")
            except ChildFailed as failure:
                raise Failure(str(failure)) from None
            core, web = asyncio.run(story.keys(made, CORE, WEB))

            def dead() -> str | None:
                return index.ended() or proxy.ended()

            if self_test:
                stage = selftest.Stage(made, Path(home), core.key, core.record.id, web.key)
                return Exit.DONE if selftest.run(stage, dead, _steps(stage)) else Exit.FAILED
            _tell(made, core, web, home=Path(home), kept=kept)
            return _watch(dead)


@contextlib.contextmanager
def _trust(root: Path, proxy_port: int, *, self_test: bool) -> "Iterator[Trust]":
    """Run an issuer, and TLS before the proxy, with a CA that vouches for both."""
    import trustme

    from authproxy.cli.demo.children import LOOPBACK, free_ports
    from authproxy.cli.demo.front import tls_before
    from authproxy.cli.demo.installation import Trust
    from authproxy.cli.demo.issuer import demo_issuer, tls_context

    authority, ca_file = trustme.CA(), root.resolve() / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    [front] = free_ports(None if self_test else TLS_PORT)
    with (
        demo_issuer(authority) as issuer,
        tls_before((LOOPBACK, proxy_port), tls_context(authority), port=front) as port,
    ):
        yield Trust(issuer.url, port, ca_file)


def _steps(stage: "Stage") -> "Steps":
    from authproxy.cli.demo import selftest, trustedtest

    return selftest.STEPS if stage.made.trust is None else trustedtest.STEPS


def _tell(made: "Installation", core: "Issued", web: "Issued", *, home: Path, kept: bool) -> None:
    from authproxy.cli.demo import story, trustedstory

    if made.trust is None:
        story.tell(made, core, web, home=home, kept=kept)
    else:
        trustedstory.tell(made, made.trust)


def _watch(dead: Callable[[], str | None]) -> Exit:
    """Wait for Ctrl-C, or for one of the servers to end, which it must not."""
    sys.stdout.flush()
    try:
        while (end := dead()) is None:
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        say("\nstopping")
        return Exit.DONE
    raise Failure(end)
