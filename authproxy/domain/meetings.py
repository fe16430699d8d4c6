"""Which patterns a project's name can match together: the ground on which two lists of rules are compared.

Every glob is read as an automaton, and all of them walk at once along every name there could be, breadth first; where
two names have brought them into the same state, one of the two is enough. So nothing is guessed: a set of patterns is
found exactly where a name matches these and no other. Ten thousand plain names share their walk as a trie does; what
makes it long is many stars, and there the walk is given up after `WORK` steps.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from string import ascii_lowercase, digits
from typing import Final

from authproxy.domain.grants import ANY
from authproxy.domain.names import PROJECT_LIMIT

# Of one automaton by one character, about a microsecond each.
WORK: Final = 2_000_000

_LETTERS: Final = ascii_lowercase + digits
_HYPHEN: Final = "-"

# The automata that are still alive: each a pattern's number, and its states as a bit for each place in its text.
_Live = tuple[tuple[int, int], ...]


def meetings(patterns: Sequence[str], work: int = WORK) -> Mapping[frozenset[int], str] | None:
    """Find every set of patterns that a name matches with no other, and the shortest name that does.

    Patterns are given as text and named by their place in the sequence. None where it would take too long.
    """
    walk = [_Automaton(text) for text in patterns]
    start: _Live = tuple((number, each.close(1)) for number, each in enumerate(walk))
    waiting, seen = deque([(start, "")]), {(start, False)}
    found: dict[frozenset[int], str] = {}
    while waiting:
        live, name = waiting.popleft()
        ended = name != "" and not name.endswith(_HYPHEN)  # as only a whole name may
        if ended:
            found.setdefault(frozenset(number for number, bits in live if walk[number].accepts(bits)), name)
        if len(name) == PROJECT_LIMIT:
            continue
        for char, moved in _moves(walk, live, hyphen=ended):
            work -= 1 + len(moved)
            state = moved, char != _HYPHEN
            if state not in seen:
                seen.add(state)
                waiting.append((moved, name + char))
        if work < 0:
            return None
    return found


class _Automaton:
    """One pattern. State n stands before the n-th character of its text; a star may stand for nothing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._stars = sum(1 << at for at, char in enumerate(text) if char == ANY)
        self._masks = {char: sum(1 << at for at, it in enumerate(text) if it == char) for char in set(text) - {ANY}}

    def close(self, bits: int) -> int:
        """Add the states that are reached without a character."""
        while (more := bits | (bits & self._stars) << 1) != bits:
            bits = more
        return bits

    def step(self, bits: int, char: str) -> int:
        """Read one character."""
        return self.close((bits & self._masks.get(char, 0)) << 1 | bits & self._stars)

    def accepts(self, bits: int) -> bool:
        """Whether the pattern matches what was read."""
        return bool(bits >> len(self.text) & 1)

    def takes_any(self, bits: int) -> bool:
        """Whether every character leads on from here."""
        return bool(bits & self._stars)

    def wanted(self, bits: int) -> set[str]:
        """Say which characters lead on besides."""
        return {char for char, mask in self._masks.items() if bits & mask}


def _moves(walk: Sequence[_Automaton], live: _Live, *, hyphen: bool) -> list[tuple[str, _Live]]:
    """Move by every character that makes a difference, and by one that stands for all others."""
    always = [entry for entry in live if walk[entry[0]].takes_any(entry[1])]
    wanted: dict[str, list[tuple[int, int]]] = {}
    for number, bits in live:
        for char in walk[number].wanted(bits):
            wanted.setdefault(char, []).append((number, bits))
    other = next((char for char in _LETTERS if char not in wanted), None)
    chars = [char for char in (*_LETTERS, _HYPHEN) if char in wanted or char in (other, _HYPHEN)]
    moves = []
    for char in chars:
        if char != _HYPHEN or hyphen:
            entries = {*always, *wanted.get(char, ())}
            moved = ((number, walk[number].step(bits, char)) for number, bits in sorted(entries))
            moves.append((char, tuple(moved)))
    return moves
