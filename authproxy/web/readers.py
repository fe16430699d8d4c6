"""Who may read: the one decision that reads through us and forward auth share, and what a read is about.

It says whether the proxy vouches for a read, which is what lends it the service credentials, or lets a web server serve
it. What a no means is the caller's: under `reads: index` the index may still be asked by the reader's own credentials.
"""

from dataclasses import dataclass
from typing import Final

from authproxy.authority.recent import Recent
from authproxy.backend.flavour import Asked, Flavour, match
from authproxy.config import Config, Reads
from authproxy.domain.access import Access, Principal
from authproxy.domain.policy import forbids
from authproxy.domain.refusal import Denial

# Installers ask for the same files again and again. 0.5 KB each as a rule; a target has 1,000 characters at most.
REMEMBERED: Final = 4096


def may_read(config: Config, principal: Principal, asked: Asked, *, now: int) -> Denial | None:
    """Say why the proxy does not vouch for this read, None where it does. `now` is in unix seconds.

    Under `open` it vouches for everybody; under `key` and under `index` for keys with a read grant.
    """
    if config.reads is Reads.OPEN:
        return None
    return forbids(config.policy, principal, Access(asked.action, asked.index, asked.project), now=now)


@dataclass(frozen=True, slots=True)
class _Yes:
    """What a yes was about. An answer follows from these and nothing else."""

    config: Config
    principal: Principal
    asked: Asked
    now: int


class Readers:
    """What is read from one index, and by whom, remembered.

    Reading a wheel's name takes 30 us (measured), a decision 7, and installers ask for the same in bursts.
    """

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        self._asked: Recent[tuple[str, str], Asked] = Recent(REMEMBERED)
        self._yeses: Recent[tuple[str | None, str], _Yes] = Recent(REMEMBERED)

    def asked(self, method: str, raw_target: str) -> Asked:
        """Find the route of a read. Raises Refused as `match` does."""
        known = self._asked.get((method, raw_target))
        if known is None:
            known = match(self._flavour, method, raw_target)
            self._asked.put((method, raw_target), known)
        return known

    def may_read(self, config: Config, principal: Principal, asked: Asked, *, now: int) -> Denial | None:
        """Answer as `may_read` does. A yes is said again to the very same question, in the same second."""
        name = principal.public_id, asked.target
        yes = self._yeses.get(name)
        # The same objects: a change of the config, or of the key, makes new ones.
        if yes and yes.principal is principal and yes.asked is asked and yes.config is config and yes.now == now:
            return None
        denial = may_read(config, principal, asked, now=now)
        if denial is None:
            self._yeses.put(name, _Yes(config, principal, asked, now))
        return denial
