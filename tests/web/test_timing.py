"""Counts without locks are those of prometheus-client, to the byte that Prometheus reads."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from authproxy.web.timing import BUCKETS, Timings

COUNTER, HISTOGRAM = ("a_requests", "Requests."), ("a_seconds", "Seconds.")
SECONDS = st.one_of(st.sampled_from(BUCKETS), st.floats(0, 1000))


def page(registry: CollectorRegistry) -> set[str]:
    """What is shown, without when each counter began, which nobody asks for."""
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), SECONDS), max_size=30))
def test_they_are_the_same(events: list[tuple[str, str, float]]) -> None:
    """Whatever happened: each bucket, the sum, the count."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    timings = Timings(ours, COUNTER, HISTOGRAM, ("action", "reason"))
    counter = Counter(*COUNTER, ("action", "reason"), registry=theirs)
    histogram = Histogram(*HISTOGRAM, ("action",), registry=theirs, buckets=BUCKETS)
    for action, reason, seconds in events:
        timings.tally(action, reason).add(seconds)
        counter.labels(action, reason).inc()
        histogram.labels(action).observe(seconds)
    assert page(ours) == page(theirs)


def test_what_is_counted_under_the_same_words_is_one() -> None:
    """And what is alike in the first shares how long it took."""
    timings = Timings(CollectorRegistry(), COUNTER, HISTOGRAM, ("action", "reason"))
    assert timings.tally("a", "c") is timings.tally("a", "c")
    assert timings.tally("a", "c").spread is timings.tally("a", "d").spread
    assert timings.tally("b", "c").spread is not timings.tally("a", "c").spread
