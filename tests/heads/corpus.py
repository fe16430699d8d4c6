"""The corpus: every head of the three tables, by an id that is its own."""

from tests.heads.framing import FRAMING
from tests.heads.targets import TARGETS
from tests.heads.tricks import TRICKS

HEADS = (*FRAMING, *TARGETS, *TRICKS)
