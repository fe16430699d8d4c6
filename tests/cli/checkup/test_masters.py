"""What doctor says of the master key: what works, what is sealed under which, and what to do."""

import pytest

from authproxy.authority.sealing import Masters, master_id
from authproxy.cli.checkup.masters import check_masters
from authproxy.store.derivations import HEAD
from authproxy.store.examination import Census, Some
from tests.cli.checkup.conftest import Configured
from tests.peers.masters import MASTER, with_master

OTHER, LOST = bytes([1]) * 32, bytes([2]) * 32
NOBODY = Some(0, ())


def head(master: bytes) -> bytes:
    found = Masters(master).head
    assert found is not None
    return found


HERE, FORMER, GONE = head(MASTER), head(OTHER), head(LOST)


@pytest.mark.parametrize(
    ("former", "sealed", "verdict", "words", "advice"),
    [
        ((), {HERE: 3}, "ok", "derived keys can be proved", None),
        ((), {HERE: 3, None: 1}, "ok", "1 secret is not sealed before", None),
        ((OTHER,), {HERE: 3, FORMER: 2}, "warning", "2 secrets are sealed under a former", "db rekey"),
        ((OTHER,), {HERE: 3}, "warning", "nothing is sealed under a former", "take keys.former_master_keys out"),
        ((OTHER,), {GONE: 1, FORMER: 1}, "problem", master_id(LOST).hex(), "--drop-lost"),
    ],
    ids=["all sealed", "some not yet", "some under the former", "none under the former", "some under a lost one"],
)
def test_with_a_master_key(configured: Configured, tmp_path, former, sealed, verdict, words, advice) -> None:
    """The worst of it, in one line."""
    config = configured(keys=with_master(tmp_path, former=former))
    [found] = check_masters(config, Census({"release": 4}, NOBODY, NOBODY, sealed))
    assert (found.name, found.verdict, words in found.sentence) == ("master-key", verdict, True), found
    assert found.advice is None if advice is None else advice in (found.advice or "")


@pytest.mark.parametrize(
    ("sealed", "verdict", "words"),
    [
        ({None: 3}, "ok", "nothing can be derived"),
        ({GONE: 2, None: 1}, "problem", "2 secrets are sealed under a master key that the configuration does not"),
    ],
    ids=["nobody needs one", "there was one"],
)
def test_without_a_master_key(configured: Configured, sealed, verdict, words) -> None:
    """It is a problem only where something was sealed: a rule that needs one is a mistake of the configuration."""
    [found] = check_masters(configured(), Census({"release": 3}, NOBODY, NOBODY, sealed))
    assert (found.verdict, words in found.sentence) == (verdict, True), found


def test_the_store_counts_by_what_sealing_writes() -> None:
    """The one number that both rooms know."""
    assert len(HERE) == HEAD
