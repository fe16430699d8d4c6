"""What is remembered never grows past its limit, and the least recently used entry goes first."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.authority.recent import Recent

STEPS = st.lists(st.tuples(st.sampled_from(["get", "put", "drop"]), st.integers(0, 6)), max_size=60)


def test_the_least_recently_used_entry_is_dropped():
    """A read counts as a use, so what was only written goes first."""
    recent = Recent(2)
    recent.put("read", 1)
    recent.put("written", 2)
    assert recent.get("read") == 1
    recent.put("new", 3)
    assert (recent.get("read"), recent.get("written"), recent.get("new")) == (1, None, 3)


@given(steps=STEPS, limit=st.integers(1, 5))
def test_it_agrees_with_a_plain_list_of_uses(steps, limit):
    """Any run of reads, writes and drops leaves the last used entries, and never more than the limit."""
    recent, model = Recent(limit), OrderedDict()
    for count, (step, key) in enumerate(steps, 1):
        if step == "put":
            recent.put(key, count)
            model.pop(key, None)
            model[key] = count
            while len(model) > limit:
                model.pop(next(iter(model)))
        elif step == "drop":
            recent.drop(key)
            model.pop(key, None)
        else:
            assert recent.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        assert len(recent) == len(model) <= limit


def test_clear_forgets_everything():
    """After clear nothing is left to be found."""
    recent = Recent(2)
    recent.put("a", 1)
    recent.clear()
    assert recent.get("a") is None
    assert len(recent) == 0


def test_a_limit_of_nothing_is_refused():
    """A memory that can hold nothing is a mistake of the caller."""
    with pytest.raises(ValueError, match="1 is the least"):
        Recent(0)
