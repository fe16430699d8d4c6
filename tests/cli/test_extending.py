"""`authproxy key extend`: longer, and never longer than the policy lets a new key live."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from authproxy.domain.endings import DAY
from tests.cli.conftest import Cli, Created

Create = Callable[..., Created]


def days_left(cli: Cli, key: Created) -> float:
    expires = datetime.fromisoformat(cli("key", "show", key.id, "--json").json["expires"])
    return (expires - datetime.now(UTC)) / timedelta(days=1)


def test_by_a_time(created: Create, cli: Cli) -> None:
    """From its end on; both times are said."""
    key = created("--expires", "10d")
    ran = cli("key", "extend", key.id, "--by", "30d", "--json")
    assert (ran.status, list(ran.json)) == (0, ["id", "was", "expires"])
    assert 39.9 < days_left(cli, key) < 40.1
    assert cli("key", "verify", input=key.key).status == 0


def test_until_a_day(created: Create, cli: Cli) -> None:
    """Through that day, to its end in UTC."""
    key = created("--expires", "1d")
    day = (datetime.now(UTC) + timedelta(days=20)).date()
    assert cli("key", "extend", key.id, "--until", str(day)).status == 0
    shown = cli("key", "show", key.id, "--json").json["expires"]
    assert shown == f"{day + timedelta(days=1)}T00:00:00Z"


def test_an_expired_key_works_again(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """From now on, not from its end; the same secret."""
    key = created("--expires", "1d")
    later(5 * DAY)
    assert cli("key", "verify", input=key.key).status == 3
    assert cli("key", "extend", key.id, "--by", "30d").status == 0
    assert cli("key", "verify", input=key.key).status == 0
    assert 34.9 < days_left(cli, key) < 35.1


REFUSED = {
    "longer than the policy allows": (["--by", "80d"], "allows 90d from now at most, so until"),
    "a day beyond it": (["--until", "2099-01-01"], "allows 90d from now at most, so until"),
    "a day that was": (["--until", "2020-01-01"], "name a later time"),
}


@pytest.mark.parametrize(("options", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(created: Create, cli: Cli, options: list[str], sentence: str) -> None:
    """It is said what is allowed, and nothing changes."""
    key = created("--expires", "20d")
    before = cli("key", "show", key.id, "--json").json
    ran = cli("key", "extend", key.id, *options)
    assert (ran.status, sentence in ran.stderr) == (1, True), ran.stderr
    assert cli("key", "show", key.id, "--json").json == before


def test_a_policy_without_a_lifetime_has_no_limit(created: Create, cli: Cli) -> None:
    """`never` in the policy lets a key be extended as far as one likes; a key that never ends is not."""
    key, endless = created(policy="forever"), created("--expires", "never", policy="forever")
    assert cli("key", "extend", key.id, "--by", "4000d").status == 0
    assert "never expires" in cli("key", "extend", endless.id, "--by", "1d").stderr


def test_the_revoked_stay_revoked(created: Create, cli: Cli) -> None:
    """There is no way back."""
    key = created("--expires", "1d")
    cli("key", "revoke", key.id)
    ran = cli("key", "extend", key.id, "--by", "1d")
    assert (ran.status, "for good" in ran.stderr) == (1, True)
    assert cli("key", "verify", input=key.key).status == 3


def test_unknown_keys_and_policies(created: Create, cli: Cli, config_file) -> None:
    """Each in a sentence."""
    key = created("--expires", "1d")
    assert "there is no key" in cli("key", "extend", "Zz0123456789", "--by", "1d").stderr
    config_file.write_text(config_file.read_text().replace("  release:", "  other:"))
    assert "which the configuration does not have" in cli("key", "extend", key.id, "--by", "1d").stderr


@pytest.mark.parametrize(
    "options",
    [[], ["--by", "1d", "--until", "2030-01-01"], ["--by", "never"], ["--until", "soon"]],
    ids=["neither", "both", "never", "no date"],
)
def test_one_of_two_ways(created: Create, cli: Cli, options: list[str]) -> None:
    """Wrong usage."""
    assert cli("key", "extend", created().id, *options).status == 2
