"""What every request needs, put together once. A reload replaces the whole, so that one request sees one config."""

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from authproxy.authority import Authority
from authproxy.authority.hashing import HashingPool, spare_threads
from authproxy.authority.minting import Minter
from authproxy.authority.possession import QUEUE, Possessions
from authproxy.authority.sealing import Masters
from authproxy.authority.throttle import Throttle
from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi
from authproxy.backend.flavour import Flavour
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.config import Config, FlavourName
from authproxy.domain.policy import Policy
from authproxy.oidc import Keyrings
from authproxy.store import Store
from authproxy.web.attesting import Attesting
from authproxy.web.ledger import Ledger
from authproxy.web.metrics import Metrics
from authproxy.web.passwords import IndexPasswords
from authproxy.web.publishers import Publishers
from authproxy.web.readers import Readers
from authproxy.web.readiness import Readiness
from authproxy.web.revocations import AnsweredReports, Revocations
from authproxy.web.turns import Turns
from authproxy.web.uses import Uses
from authproxy.web.yeses import Yeses

# The verified-key cache is keyed with so many random bytes; they live and die with the process.
PROCESS_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one running proxy. `clock` gives unix seconds."""

    config: Config
    store: Store
    authority: Authority
    hashing: HashingPool
    backend: Backend
    ledger: Ledger
    metrics: Metrics
    passwords: IndexPasswords
    readers: Readers
    yeses: Yeses
    uses: Uses
    readiness: Readiness
    archives: Turns  # archives are read one per spare core: reading one is seconds of CPU at worst
    publishers: Publishers
    revocations: Revocations
    reports: AnsweredReports
    clock: Callable[[], float]
    # The rules as they are now: a body may take half an hour, and what was forbidden meanwhile is forbidden.
    latest: Callable[[], Policy] | None = None
    attesting: Attesting = field(default_factory=Attesting)

    @property
    def policy(self) -> Policy:
        """The rules of this moment, where `config` holds those of the request's first."""
        return self.config.policy if self.latest is None else self.latest()

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())


async def assembled(config: Config, stack: AsyncExitStack, clock: Callable[[], float]) -> Parts:
    """Open every part; the stack closes them in reverse. Raises StoreError where the store cannot be opened."""
    store = await Store.open(config.store, config.wanted, password=config.store_password, grace=config.store_grace)
    stack.push_async_callback(store.close)
    metrics = Metrics()
    backend = Backend(upstream_of(config), flavour_of(config), metrics.exchanged)
    await stack.enter_async_context(backend)
    throttle = Throttle(failures=config.throttle.failures, window=config.throttle.window)
    hashing = HashingPool(observe=metrics.argon2.observe)
    authority = Authority(
        store,
        prefix=config.keys.prefix,
        process_key=secrets.token_bytes(PROCESS_KEY_BYTES),
        hashing=hashing,
        throttle=throttle,
        masters=masters_of(config),
        alarm=metrics.leaks.canaries.inc,
    )
    stack.push_async_callback(authority.close)
    passwords = IndexPasswords(backend, authority)
    readiness = Readiness(store, backend)
    stack.callback(readiness.close)
    ledger, readers = Ledger(store, backend, clock), Readers(backend.flavour)
    return Parts(
        config,
        store,
        authority,
        hashing,
        backend,
        ledger,
        metrics,
        passwords,
        readers,
        Yeses(authority, secrets.token_bytes(PROCESS_KEY_BYTES), backend.flavour.credentials),
        Uses(store),
        readiness,
        Turns(spare_threads()),
        _publishers(config, store, stack, int(clock())),
        _revocations(config, store, authority, stack),
        AnsweredReports(),
        clock,
    )


def _publishers(config: Config, store: Store, stack: AsyncExitStack, now: int) -> Publishers:
    keyrings = Keyrings()
    stack.push_async_callback(keyrings.close)
    throttle = Throttle(failures=config.throttle.failures, window=config.throttle.window)
    publishers = Publishers(store, keyrings, Minter(store, prefix=config.keys.prefix), throttle)
    publishers.follow(config.policy, now=now)
    return publishers


def _revocations(config: Config, store: Store, authority: Authority, stack: AsyncExitStack) -> Revocations:
    hashing = HashingPool(threads=1, queue=QUEUE)
    possessions = Possessions(store, authority.derivations, authority.canaries, config.keys.prefix, hashing)
    stack.callback(possessions.close)
    return Revocations(possessions, Throttle(failures=config.throttle.failures, window=config.throttle.window))


def masters_of(config: Config) -> Masters:
    """The master keys of a config, as the authority wants them."""
    return Masters(config.masters.current, config.masters.former)


def flavour_of(config: Config) -> Flavour:
    """The kind of index of a config, with the indexes that stand here."""
    match config.backend.flavour:
        case FlavourName.PYPISERVER:
            return PYPISERVER
        case FlavourName.DEVPI:
            return devpi(config.backend.indexes, tuple(map(str, config.backend.opens)))


def upstream_of(config: Config) -> Upstream:
    """The index of a config, as the client room wants it."""
    backend = config.backend
    return Upstream(
        url=backend.url,
        public_host=config.public_host,
        public_scheme=config.public_scheme,
        username=backend.username,
        password=backend.password,
        connect_timeout=backend.timeouts.connect,
        read_timeout=backend.timeouts.read,
        upload_timeout=backend.timeouts.upload,
    )
