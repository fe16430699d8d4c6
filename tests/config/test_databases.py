"""The URL of a PostgreSQL database: what is taken, what comes back, and that no password is ever repeated."""

import pytest

from authproxy.config.databases import PostgresAddress, SslMode, is_postgres, read_postgres

TAKEN = {
    "postgresql://u@localhost/d": PostgresAddress("u", "localhost", 5432, "d"),
    "postgresql://u@127.0.0.1:6000/d": PostgresAddress("u", "127.0.0.1", 6000, "d"),
    "postgresql://u@[::1]/d?sslmode=require": PostgresAddress("u", "::1", 5432, "d", SslMode.REQUIRE),
    "postgresql://u@/d?host=/run/postgresql": PostgresAddress("u", "/run/postgresql", 5432, "d"),
    "postgresql://a.b-c_1@DB.example.com/d-1?sslmode=disable": PostgresAddress(
        "a.b-c_1", "db.example.com", 5432, "d-1"
    ),
    "postgresql://u@db/d?sslmode=verify-full&sslrootcert=/etc/ca.pem": PostgresAddress(
        "u", "db", 5432, "d", SslMode.VERIFY_FULL, "/etc/ca.pem"
    ),
}


@pytest.mark.parametrize(("text", "address"), TAKEN.items())
def test_what_is_taken_comes_back(text: str, address: PostgresAddress) -> None:
    """Every part is read, and what is shown of it is read as the same."""
    assert read_postgres(text) == address
    assert read_postgres(str(address)) == address
    assert "?" not in address.place
    assert is_postgres(text)


def test_who_can_listen() -> None:
    """A socket and loopback are this machine; a name is not, even where it may be."""
    assert [address.is_here for address in TAKEN.values()] == [True, True, True, True, False, False]


REFUSED = [
    ("postgresql://u:hunter2@db/d", "a secret never stands in this file"),
    ("postgresql://u:hunter2@db/d?sslmode=disable", "store_password"),
    ("postgresql://u:hunter2:hunter2/@db/d", "a user without a password"),
    ("postgresql://hunter2@db", "a database"),
    ("postgresql://db/hunter2", "a user"),
    ("postgresql+asyncpg://u@db/hunter2", "begins with postgresql://"),
    ("postgres://u@db/hunter2", "begins with postgresql://"),
    ("postgresql://u@db/d", "another machine: write sslmode=verify-full"),
    ("postgresql://u@10.0.0.1/d", "another machine"),
    ("postgresql://u@db/d?sslmode=prefer", "one of disable, require, verify-ca, verify-full"),
    ("postgresql://u@db/d?sslmode=disable&sslmode=require", "once each"),
    ("postgresql://u@db/d?sslmod=verify-full", "host, sslmode and sslrootcert"),
    ("postgresql://u@db/d?password=hunter2", "host, sslmode and sslrootcert"),
    ("postgresql://u@db/d?sslmode=disable&sslrootcert=/a", "proves something with"),
    ("postgresql://u@db/d?sslmode=verify-ca&sslrootcert=a", "an absolute path"),
    ("postgresql://u@db:70000/d?sslmode=disable", "larger than 65535"),
    ("postgresql://u@db/d?host=/run&sslmode=disable", "by a socket"),
    ("postgresql://u@/d", "by a socket"),
    ("postgresql://u%40@db/d", "a user"),
    ("postgresql://u@db,db2/d", "a host"),
    ("postgresql://u@localhost/\u212a", "a database"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_is_refused_says_why_and_repeats_nothing(text: str, said: str) -> None:
    """One sentence, and no word of what may have been a password."""
    with pytest.raises(ValueError, match=said) as caught:
        read_postgres(text)
    assert "hunter2" not in str(caught.value)
