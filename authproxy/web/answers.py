"""What our own answers have in common: who may keep them, what an index's client looks for, how they list names."""

from collections.abc import Sequence
from typing import Final

from authproxy.backend.flavour import Flavour

# How many names of files, or of indexes, a sentence has room for.
NAMED: Final = 5


def private(flavour: Flavour) -> dict[str, str]:
    """Headers of an answer that is for whoever asked: nobody keeps it, and nobody else is given it."""
    return {"Cache-Control": "no-store", "Vary": flavour.varies}


def marked(flavour: Flavour) -> dict[str, str]:
    """The header without which the index's own client doubts an answer; none where it has no such client."""
    return {} if flavour.sessions is None else dict([flavour.sessions.version])


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, as many as it has room for, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
