"""The master key, and what in the store is sealed under it, under another, or not at all."""

from collections.abc import Iterator
from typing import Final

from authproxy.authority.sealing import VERSION, master_id
from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.config import Config
from authproxy.store.examination import Census

NAME: Final = "master-key"


def check_masters(config: Config, census: Census) -> Iterator[Finding]:
    """Whether what is derived from keys can be proved."""
    if config.masters.current is None:
        yield _without(census)
        return
    known = {VERSION + master_id(each) for each in config.masters.former}
    current = VERSION + master_id(config.masters.current)
    lost = {head: count for head, count in census.sealed.items() if head is not None and head not in {current, *known}}
    waiting = sum(count for head, count in census.sealed.items() if head in known)
    if lost:
        names = ", ".join(head[len(VERSION) :].hex() for head in lost)
        yield problem(
            NAME,
            f"{_secrets(sum(lost.values()))} sealed under master keys that the configuration does not name ({names}): "
            "what is derived from those is refused",
            "name them under keys.former_master_keys and run `authproxy db rekey`; where they are lost, "
            "`authproxy db rekey --drop-lost`",
        )
    elif waiting:
        yield warning(NAME, f"{_secrets(waiting)} sealed under a former master key still", "run `authproxy db rekey`")
    elif known:
        yield warning(
            NAME,
            "nothing is sealed under a former master key any more, and the configuration still names one",
            "take keys.former_master_keys out; only an older backup of the store would need it",
        )
    else:
        bare = census.sealed.get(None, 0)
        more = f"; {_secrets(bare)} not sealed before the key itself is used or rotated" if bare else ""
        yield ok(NAME, f"derived keys can be proved{more}")


def _without(census: Census) -> Finding:
    sealed = sum(count for head, count in census.sealed.items() if head is not None)
    if sealed:
        return problem(
            NAME,
            f"{_secrets(sealed)} sealed under a master key that the configuration does not name: what is derived from "
            "those is refused",
            "name it under keys.master_key; where it is lost, make another and run `authproxy db rekey --drop-lost`",
        )
    return ok(NAME, "there is no master key, so that nothing can be derived from keys")


def _secrets(count: int) -> str:
    return f"{count} secret is" if count == 1 else f"{count} secrets are"
