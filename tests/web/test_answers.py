"""What our own answers have in common."""

import pytest

from authproxy.backend.devpi import devpi
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.web.answers import NAMED, listed, marked, private


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (0, ""),
        (1, "a"),
        (NAMED, "a, b, c, d, e"),
        (NAMED + 2, "a, b, c, d, e and 2 more"),
    ],
    ids=["none", "one", "as many as there is room for", "more"],
)
def test_a_sentence_lists_so_many_names(count: int, sentence: str) -> None:
    """What there is no room for is counted, never left out in silence."""
    assert listed("abcdefghij"[:count]) == sentence
    assert listed(list("abcdefghij"[:count])) == sentence


def test_an_answer_for_one_is_kept_by_nobody() -> None:
    """Whatever header says who asks, a cache that shared the answer would have to know of it."""
    flavour = devpi(("team/dev",))
    assert private(PYPISERVER) == {"Cache-Control": "no-store", "Vary": "Authorization"}
    assert private(flavour) == {"Cache-Control": "no-store", "Vary": "Authorization, X-Devpi-Auth"}


def test_the_mark_is_the_one_that_devpi_client_looks_for() -> None:
    """An index without a client of its own marks nothing."""
    assert marked(PYPISERVER) == {}
    assert marked(devpi(("team/dev",))) == {"X-Devpi-Api-Version": "2"}
