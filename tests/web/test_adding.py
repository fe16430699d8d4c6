"""Counts of several processes: what adds up, what does not, and what stays of the dead."""

import json

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from authproxy.web.adding import LOWEST, PARTS, Sample, added, left, page, sampled
from authproxy.web.metrics import Metrics


class Counting:
    """One process's counts, of each kind that the proxy has."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter("a_answers", "Answers.", ("action", "answer"), registry=self.registry)
        self.seconds = Histogram("a_seconds", "Seconds.", ("action",), registry=self.registry)
        self.keys = Gauge("a_keys", "Keys that expire.", registry=self.registry)
        self.spooled = Gauge("a_spooled", "Bytes.", registry=self.registry)

    def sample(self) -> Sample:
        return json.loads(json.dumps(sampled(self.registry)))


def values(sample: Sample) -> dict[str, float]:
    """By name and labels, as Prometheus reads the page."""
    return {
        each.name + "".join(f",{name}={value}" for name, value in sorted(each.labels.items())): each.value
        for family in text_string_to_metric_families(page(sample).decode())
        for each in family.samples
        if not each.name.endswith("_created")
    }


def test_counts_add_up_and_what_is_said_of_the_store_does_not() -> None:
    """Counters and every bucket of a histogram; of gauges the parts of a whole alone."""
    one, two = Counting(), Counting()
    for each, number in ((one, 3), (two, 4)):
        each.answers.labels("upload", "ok").inc(number)
        each.seconds.labels("upload").observe(number / 10)
        each.keys.set(number)
        each.spooled.set(number)
    two.answers.labels("read", "ok").inc()
    found = values(added([one.sample(), two.sample()], frozenset({"a_spooled"})))
    assert found["a_answers_total,action=upload,answer=ok"] == 7
    assert found["a_answers_total,action=read,answer=ok"] == 1
    assert found["a_seconds_count,action=upload"] == 2
    assert found["a_seconds_sum,action=upload"] == 0.7
    assert found["a_seconds_bucket,action=upload,le=0.25"] == 0
    assert found["a_seconds_bucket,action=upload,le=0.5"] == 2
    assert (found["a_keys"], found["a_spooled"]) == (4, 7)


def test_of_what_says_that_all_is_well_the_least_is_shown() -> None:
    """A worker that has trouble must not go unseen behind those that have none; the parts and the others are apart."""
    one, two = Counting(), Counting()
    for each, number in ((one, 1), (two, 0)):
        each.keys.set(number)
    assert values(added([one.sample(), two.sample()], lowest=frozenset({"a_keys"})))["a_keys"] == 0
    assert values(added([one.sample(), two.sample()]))["a_keys"] == 1, "the control"
    assert not PARTS & LOWEST


def test_when_a_counter_began_is_the_first_of_them() -> None:
    """The later one would look like a restart."""
    one, two = Counting(), Counting()
    for each in (one, two):
        each.answers.labels("read", "ok").inc()
    began = [min(v for n, _, v in s[0][3] if n.endswith("_created")) for s in (one.sample(), two.sample())]
    [found] = [value for name, _, value in added([two.sample(), one.sample()])[0][3] if name.endswith("_created")]
    assert found == min(began)


def test_what_stays_of_the_dead_is_what_they_counted() -> None:
    """Their share of the spool and what they knew of keys went with them."""
    one = Counting()
    one.answers.labels("read", "ok").inc()
    one.keys.set(5)
    assert [family[0] for family in left(one.sample())] == ["a_answers", "a_seconds"]


def test_one_process_alone_is_shown_as_it_shows_itself() -> None:
    """Nothing is lost on the way, for all that the proxy counts."""
    metrics = Metrics()
    metrics.count("upload", "ok", 0.2)
    metrics.expiring.labels("7d").set(3)
    metrics.webhooks.sent.labels("ops").inc()
    once = json.loads(json.dumps(sampled(metrics.registry)))
    assert page(added([once])) == generate_latest(metrics.registry)


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=4), max_size=4), st.randoms())
def test_order_and_grouping_do_not_matter(counts: list[list[tuple[str, int]]], random) -> None:
    """As the supervisor adds up the dead one after the other, and the living whenever it is asked."""
    samples = []
    for each in counts:
        one = Counting()
        for label, number in each:
            one.answers.labels(label, "ok").inc(number)
        samples.append(one.sample())
    at_once = values(added(samples))
    shuffled = random.sample(samples, len(samples))
    by_and_by: Sample = []
    for each in shuffled:
        by_and_by = added([by_and_by, each])
    assert values(by_and_by) == at_once
