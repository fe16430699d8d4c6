"""The single values: what each reader takes, and the sentence for what it does not."""

import re
from collections.abc import Callable
from datetime import date
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.config import values
from authproxy.config.settings import DAY, Address, SecretReference, SecretSource
from authproxy.domain.access import UPLOAD_DEADLINE
from authproxy.domain.grants import Pattern
from authproxy.domain.rules import Rate, VersionPattern

GIB = 1024**3

TAKEN = [
    (values.duration, "45s", 45),
    (values.duration, "30m", 1800),
    (values.duration, "12h", 43_200),
    (values.duration, "90d", 90 * DAY),
    (values.duration, "2w", 14 * DAY),
    (values.duration, "36500d", values.LONGEST),
    (values.upload_timeout, "10m", 600),
    (values.upload_timeout, "30m", UPLOAD_DEADLINE // 2),
    (values.lifetime, "90d", 90 * DAY),
    (values.lifetime, "never", None),
    (values.size, "200MiB", 200 * 1024**2),
    (values.size, "200 MiB", 200 * 1024**2),
    (values.size, "1GB", 10**9),
    (values.size, "1B", 1),
    (values.size, 1024, 1024),
    (values.size, "1048576TiB", values.LARGEST),
    (values.rate, "10/hour", Rate(10, 3600)),
    (values.rate, "1/second", Rate(1, 1)),
    (values.network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (values.network, "192.0.2.1", ip_network("192.0.2.1/32")),
    (values.network, "2001:db8::/32", ip_network("2001:db8::/32")),
    (values.network, "::1", ip_network("::1/128")),
    (values.network, "0.0.0.0/0", ip_network("0.0.0.0/0")),
    (values.proxy_network, "127.0.0.1", ip_network("127.0.0.1/32")),
    (values.address, "127.0.0.1:8080", Address("127.0.0.1", 8080)),
    (values.address, "[::1]:8080", Address("::1", 8080)),
    (values.address, "localhost:0", Address("localhost", 0)),
    (values.public_url, "https://pypi.example.com/", "https://pypi.example.com/"),
    (values.public_url, "https://PyPI.Example.com", "https://pypi.example.com/"),
    (values.public_url, "https://pypi.example.com:443/", "https://pypi.example.com/"),
    (values.public_url, "http://pypi.example.com:8080", "http://pypi.example.com:8080/"),
    (values.backend_url, "http://[::1]:8081/", "http://[::1]:8081/"),
    (values.backend_url, "http://pypiserver:80/", "http://pypiserver/"),
    (values.store_url, "sqlite:///authproxy.db", "authproxy.db"),
    (values.store_url, "postgresql://u@localhost/d", "postgresql://u@localhost/d?sslmode=disable"),
    (values.grace, "15m", 900),
    (values.store_url, "sqlite:////var/lib/authproxy.db", "/var/lib/authproxy.db"),
    (values.key_prefix, "apx", "apx"),
    (values.username, "svc-account@acme", "svc-account@acme"),
    (values.devpi_index, "team/dev", "team/dev"),
    (values.devpi_index, "Root/a.b_c-1", "Root/a.b_c-1"),
    (values.day, "2027-01-31", date(2027, 1, 31)),
    (values.day, "2028-02-29", date(2028, 2, 29)),
    (values.policy_name, "release-2.x", "release-2.x"),
    (values.package_pattern, "Acme_*", Pattern("acme-*")),
    (values.versions, ">=1.0", VersionPattern(">=1.0")),
    (values.secret_reference, {"file": "pw"}, SecretReference(SecretSource.FILE, "pw")),
    (values.secret_reference, {"env": "PW"}, SecretReference(SecretSource.ENV, "PW")),
    (values.secret_reference, {"credential": "pw"}, SecretReference(SecretSource.CREDENTIAL, "pw")),
]


@pytest.mark.parametrize(
    ("read", "raw", "value"), TAKEN, ids=lambda value: value.__name__ if callable(value) else str(value)
)
def test_what_is_taken(read: Callable[[object], object], raw: object, value: object) -> None:
    """Each reader's forms, as the example file promises them."""
    assert read(raw) == value


REFUSED = [
    (values.day, "2027-02-29", "as in 2027-01-31"),
    (values.day, "20270131", "as in 2027-01-31"),
    (values.day, "2027-W04-7", "as in 2027-01-31"),
    (values.day, "2027-01-31T00:00:00", "as in 2027-01-31"),
    (values.day, "31.01.2027", "as in 2027-01-31"),
    (values.day, "1970-01-01", "as in 2027-01-31"),
    (values.day, 2027, "as in 2027-01-31"),
    (values.devpi_index, "team", "as in team/dev"),
    (values.devpi_index, "/team/dev/", "as in team/dev"),
    (values.devpi_index, "team/dev/x", "as in team/dev"),
    (values.devpi_index, "team/+f", "as in team/dev"),
    (values.devpi_index, "team/..", "as in team/dev"),
    (values.devpi_index, "*", "as in team/dev"),
    (values.devpi_index, "te\N{KELVIN SIGN}/dev", "as in team/dev"),
    (values.devpi_index, 5, "as in team/dev"),
    (values.upload_timeout, "1801s", "30m at most: an upload whose end nobody saw is doubted after 60m"),
    (values.upload_timeout, "1h", "30m at most"),
    (values.upload_timeout, 90, "a number and s, m, h, d or w"),
    (values.duration, "90", "a number and s, m, h, d or w"),
    (values.duration, 90, "a number and s, m, h, d or w"),
    (values.duration, "0d", "a number and"),
    (values.duration, "-1d", "a number and"),
    (values.duration, "1.5h", "a number and"),
    (values.duration, "1h30m", "a number and"),
    (values.duration, "90 d", "a number and"),
    (values.duration, "never", "a number and"),
    (values.duration, "36501d", "100 years at most"),
    (values.duration, "9" * 5000 + "d", "100 years at most"),
    (values.duration, "\u0661d", "a number and"),
    (values.lifetime, "forever", "a number and"),
    (values.lifetime, True, "a number and"),
    (values.size, "200M", "as in 200MiB"),
    (values.size, "200mib", "as in 200MiB"),
    (values.size, "0MiB", "as in 200MiB"),
    (values.size, 0, "as in 200MiB"),
    (values.size, -1, "as in 200MiB"),
    (values.size, True, "as in 200MiB"),
    (values.size, "1048577TiB", "TiB at most"),
    (values.rate, "10/h", "second, minute, hour or day"),
    (values.rate, "0/hour", "second, minute, hour or day"),
    (values.rate, 10, "second, minute, hour or day"),
    (values.network, "10.0.0.1/8", "did you mean 10.0.0.0/8?"),
    (values.network, "2001:db8::1/32", "did you mean 2001:db8::/32?"),
    (values.network, "10.0.0.0/33", "is no network"),
    (values.network, "10.0.0.0/255.0.0.0", "is no network"),
    (values.network, "10.0.0", "is no network"),
    (values.network, "example.com", "is no network"),
    (values.network, "fe80::1%eth0", "is no network"),
    (values.network, "::ffff:10.0.0.0/104", "IPv4 network in IPv6 dress"),
    (values.network, 10, "a network, as in"),
    (values.proxy_network, "0.0.0.0/0", "name the proxies"),
    (values.proxy_network, "::/0", "name the proxies"),
    (values.address, "8080", "an address and a port"),
    (values.address, ":8080", "an address and a port"),
    (values.address, "127.0.0.1", "an address and a port"),
    (values.address, "127.0.0.1:65536", "an address and a port"),
    (values.address, "::1:8080", "an address and a port"),
    (values.address, "[::g]:8080", "an address and a port"),
    (values.address, "[1.2.3.4]:80", "an address and a port"),
    (values.address, "http://127.0.0.1:80", "an address and a port"),
    (values.public_url, "pypi.example.com", "http or https"),
    (values.public_url, "ftp://pypi.example.com/", "http or https"),
    (values.public_url, "https://", "http or https"),
    (values.public_url, "https://pypi.example.com:0/", "http or https"),
    (values.public_url, "https://pypi.example.com:65536/", "http or https"),
    (values.public_url, "https://pypi.example.com:x/", "http or https"),
    (values.public_url, "https://pypi.exämple.com/", "xn--"),
    (values.public_url, "https://pypi.example.com/pypi/", "without a path"),
    (values.public_url, "https://pypi.example.com/?a", "without a path"),
    (values.public_url, "https://pypi.example.com#a", "without a path"),
    (values.public_url, "https://a b/", "http or https"),
    (values.public_url, 5, "a URL, as in"),
    (values.backend_url, "http://user:hunter2@127.0.0.1/", "no credentials"),
    (values.store_url, "postgresql://authproxy:hunter2@db/authproxy", "a secret never stands in this file"),
    (values.store_url, "postgresql+asyncpg://db/authproxy", "begins with postgresql://"),
    (values.grace, "16m", "15m at most"),
    (values.grace, "0s", "a duration"),
    (values.store_url, "mysql://db", "sqlite:///"),
    (values.store_url, "sqlite://", "sqlite:///"),
    (values.store_url, "sqlite:///", "sqlite:///"),
    (values.store_url, "sqlite:///:memory:", "sqlite:///"),
    (values.store_url, "sqlite:////var/lib/", "sqlite:///"),
    (values.store_url, "sqlite:///a.db?mode=ro", "sqlite:///"),
    (values.store_url, "/var/lib/authproxy.db", "sqlite:///"),
    (values.key_prefix, "pypi", "scanners report keys that begin with pypi"),
    (values.key_prefix, "Apx", "a lower-case letter and 1 to 9"),
    (values.key_prefix, "a", "a lower-case letter and 1 to 9"),
    (values.key_prefix, "apx_", "a lower-case letter and 1 to 9"),
    (values.username, "a:b", "without spaces and colons"),
    (values.username, "", "without spaces and colons"),
    (values.username, "ä", "without spaces and colons"),
    (values.policy_name, "two words", "is no name"),
    (values.policy_name, "x" * 65, "is no name"),
    (values.package_pattern, "acme?", "is no package pattern"),
    (values.package_pattern, 5, "as in acme-*"),
    (values.versions, "latest", "names no versions"),
    (values.versions, 1, "as in 1.* or"),
    (values.secret_reference, "hunter2", "a secret never stands in this file: write {file: PATH}"),
    (values.secret_reference, 1234, "a secret never stands in this file"),
    (values.secret_reference, {"value": "hunter2"}, "one of three ways"),
    (values.secret_reference, {"file": "a", "env": "B"}, "one of three ways"),
    (values.secret_reference, {}, "one of three ways"),
    (values.secret_reference, {"file": 5}, "the name in text"),
    (values.secret_reference, {"file": ""}, "the name in text"),
]


@pytest.mark.parametrize(
    ("read", "raw", "words"), REFUSED, ids=lambda value: value.__name__ if callable(value) else str(value)[:40]
)
def test_what_is_not_taken(read: Callable[[object], object], raw: object, words: str) -> None:
    """Each refusal says what is taken instead, in one line, and repeats no secret."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read(raw)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert "hunter2" not in sentence


READERS = [
    each for each in vars(values).values() if callable(each) and getattr(each, "__module__", "") == values.__name__
]
ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2)


@given(st.sampled_from([each for each in READERS if not each.__name__.startswith("_")]), ANYTHING)
def test_a_reader_answers_or_refuses(read: Callable[[object], object], raw: object) -> None:
    """Whatever YAML may say: a value, or a ValueError with a sentence; never another exception."""
    try:
        read(raw)
    except ValueError as exc:
        kind, sentence = type(exc), str(exc)
    else:
        return
    assert kind is ValueError  # a subclass would be a slip of ours: UnicodeError, ipaddress's own
    assert sentence.isprintable()
