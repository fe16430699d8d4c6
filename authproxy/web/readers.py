"""Who may read: the one decision that reads through us and forward auth share, and the one place where it is made.

It says whether the proxy vouches for a read, which is what lends it the service credentials, or lets a web server serve
it. What a no means is the caller's: under `reads: index` the index may still be asked by the reader's own credentials.

Installers ask for the same few files in bursts. Parsing a wheel's name takes 30 us and a decision 20 (measured), more
than the rest of a warm request; so both are remembered, and neither can be out of date: a target has one reading, and
an answer is given again only where everything that it follows from is the same, down to the second.
"""

from dataclasses import dataclass
from typing import Final

from authproxy.authority.recent import Recent
from authproxy.backend.flavour import Asked, Flavour, match
from authproxy.config import Config, Reads
from authproxy.domain.access import Access, Principal
from authproxy.domain.policy import decide
from authproxy.domain.refusal import Denial

# Of each; the files that are asked for again and again are fewer. Some 2 KB at most, 0.5 KB as a rule.
REMEMBERED: Final = 4096


def may_read(config: Config, principal: Principal, asked: Asked, *, now: int) -> Denial | None:
    """Say why the proxy does not vouch for this read, None where it does. `now` is in unix seconds.

    Under `open` it vouches for everybody; under `key` and under `index` for keys with a read grant.
    """
    if config.reads is Reads.OPEN:
        return None
    answer = decide(config.policy, principal, Access(asked.action, asked.index, asked.project), now=now)
    return answer if isinstance(answer, Denial) else None


@dataclass(frozen=True, slots=True)
class _Answer:
    config: Config
    principal: Principal
    asked: Asked
    now: int
    denial: Denial | None


class Readers:
    """`match` and `may_read` for one running proxy, remembered."""

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        self._asked: Recent[tuple[str, str], Asked] = Recent(REMEMBERED)
        self._answers: Recent[tuple[str | None, str], _Answer] = Recent(REMEMBERED)

    def asked(self, method: str, raw_target: str) -> Asked:
        """Find the route of a read. Raises Refused as `match` does."""
        known = self._asked.get((method, raw_target))
        if known is None:
            known = match(self._flavour, method, raw_target)
            self._asked.put((method, raw_target), known)
        return known

    def may_read(self, config: Config, principal: Principal, asked: Asked, *, now: int) -> Denial | None:
        """Answer as `may_read` does."""
        name = principal.public_id, asked.target
        known = self._answers.get(name)
        if (
            known is None
            or known.now != now
            or known.config is not config
            or known.principal != principal
            or known.asked != asked
        ):
            known = _Answer(config, principal, asked, now, may_read(config, principal, asked, now=now))
            self._answers.put(name, known)
        return known.denial
