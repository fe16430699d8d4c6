"""Where the proxy stands, by its configuration alone."""

from typing import Any

import pytest

from authproxy.cli.checkup.settings import (
    check_circle,
    check_config,
    check_passwords,
    check_public_url,
    check_readers,
    check_trusted_proxies,
    is_loopback,
)
from tests.cli.checkup.conftest import Configured
from tests.store.samples import NOW

HTTPS = "https://pypi.example.com/"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("pypi.localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.2", False),
        ("localhost.example.com", False),
        ("index", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    """Loopback addresses, and the names that RFC 6761 keeps for them."""
    assert is_loopback(host) is expected


def test_a_valid_configuration(configured: Configured) -> None:
    """It is said which file it is."""
    config = configured()
    [found] = check_config(config)
    assert (found.verdict, str(config.file) in found.sentence) == ("ok", True)


def test_what_the_configuration_itself_warns_of(configured: Configured) -> None:
    """A password that everybody may read, with the line that names it, and without the password."""
    config = configured(service=("svc", "hunter2-of-the-index"))
    config.file.with_name("backend-password").chmod(0o644)
    from authproxy.config import load

    [found] = check_config(load(config.file))
    assert found.verdict == "warning"
    assert "everybody on this machine may read" in found.sentence
    assert "hunter2" not in found.sentence
    assert "\n" not in found.sentence


def test_nobody_can_install(configured: Configured) -> None:
    """Keys read, and no policy lets one: said as a problem and not as a warning too; a grant ends it."""
    grant = {"actions": ["read"], "packages": ["*"]}
    config = configured(reads="key", key_policies={"release": {"allow": [{**grant, "actions": ["upload"]}]}})
    assert [each.verdict for each in check_config(config)] == ["ok"]
    [found] = check_readers(config)
    assert (found.verdict, found.sentence) == (
        "problem",
        "reads is key, and no key policy grants read: nobody can install",
    )
    assert "add {actions: [read], packages: [...]} to one of key_policies" in (found.advice or "")
    for settings in ({"reads": "key", "key_policies": {"reader": {"allow": [grant]}}}, {"reads": "index"}):
        assert list(check_readers(configured(**settings))) == []


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        pytest.param({"public_url": "http://127.0.0.1:8080/"}, "ok", "", id="http on loopback"),
        pytest.param(
            {"public_url": "http://127.0.0.1:9999/"}, "warning", "to port 9999", id="another port than its own"
        ),
        pytest.param(
            {"public_url": "http://127.0.0.1:9999/", "listen": "127.0.0.1:0"}, "ok", "", id="any port of the system's"
        ),
        pytest.param({"public_url": "http://pypi.example.com/"}, "warning", "in the clear", id="http to a public name"),
        pytest.param({"public_url": "http://10.0.0.1:8080/"}, "warning", "in the clear", id="http to an address"),
        pytest.param({"public_url": HTTPS}, "ok", HTTPS, id="https before a listener on loopback"),
        pytest.param(
            {"public_url": HTTPS, "listen": "0.0.0.0:8080"}, "warning", "without TLS", id="https and a way past it"
        ),
        pytest.param(
            {"public_url": HTTPS, "listen": "0.0.0.0:8080", "trusted_proxies": ["172.18.0.2"]},
            "ok",
            HTTPS,
            id="https in a network of containers",
        ),
    ],
)
def test_public_url(configured: Configured, settings: dict[str, Any], verdict: str, words: str) -> None:
    """Keys in the clear, and clients that are sent to where nobody is."""
    [found] = check_public_url(configured(**settings))
    assert (found.verdict, words in found.sentence) == (verdict, True), found


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        pytest.param({}, "ok", "nobody", id="none and none needed"),
        pytest.param({"public_url": HTTPS}, "warning", "is empty", id="none before a proxy behind TLS"),
        pytest.param(
            {"public_url": HTTPS, "trusted_proxies": ["127.0.0.1", "::1"]}, "ok", "127.0.0.1", id="nginx here"
        ),
        pytest.param(
            {"listen": "0.0.0.0:8080", "trusted_proxies": ["10.0.0.0/8"]}, "warning", "10.0.0.0/8", id="a whole company"
        ),
        pytest.param({"listen": "0.0.0.0:8080", "trusted_proxies": ["172.18.0.0/16"]}, "ok", "172.18", id="containers"),
        pytest.param({"listen": "0.0.0.0:8080", "trusted_proxies": ["2001:db8::/32"]}, "warning", "::/32", id="a site"),
        pytest.param(
            {"trusted_proxies": ["10.1.2.3"]}, "warning", "never connects", id="one that cannot reach loopback"
        ),
    ],
)
def test_trusted_proxies(configured: Configured, settings: dict[str, Any], verdict: str, words: str) -> None:
    """None where there must be one, and too many."""
    [found] = check_trusted_proxies(configured(**settings))
    assert (found.verdict, words in found.sentence) == (verdict, True), found


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        pytest.param({}, "ok", "are refused", id="keys alone"),
        pytest.param({"passwords": {"uploads": "warn"}}, "warning", "no day", id="no end in sight"),
        pytest.param({"packages": [{"match": "*", "passwords": "allow"}]}, "warning", "no day", id="for one package"),
        pytest.param({"passwords": {"uploads": "warn", "until": "2027-01-31"}}, "ok", "until 2027-01-31", id="an end"),
        pytest.param({"passwords": {"uploads": "allow", "until": "2026-12-31"}}, "ok", "has passed", id="the end"),
    ],
)
def test_the_indexs_own_passwords(configured: Configured, settings: dict[str, Any], verdict: str, words: str) -> None:
    """While people move over there is to be a day on which they have."""
    [found] = check_passwords(configured(**settings), now=NOW)
    assert (found.verdict, words in found.sentence) == (verdict, True), found


@pytest.mark.parametrize(
    ("index", "listen", "circle"),
    [
        ("http://127.0.0.1:8081/", "127.0.0.1:8080", False),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080", True),
        ("http://127.0.0.1:8080/", "0.0.0.0:8080", True),
        ("http://10.0.0.1:8080/", "0.0.0.0:8080", False),
    ],
)
def test_a_proxy_before_itself(configured: Configured, index: str, listen: str, circle: bool) -> None:
    """It would ask itself until there are no connections left."""
    found = list(check_circle(configured(index, listen=listen)))
    assert [each.verdict for each in found] == (["problem"] if circle else [])
