"""The tables of proofs: what is good once, what was ended by itself, and whom a name was given to first.

A row stays until its time is over and then counts for nothing: what it is about has expired by then.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Table, Text

from authproxy.store.tables import metadata

# Derived keys that are good once: the nonce, and where the key names files the file's hash behind it.
nonces: Final = Table(
    "nonces",
    metadata,
    Column("nonce", Text, primary_key=True),
    Column("record_id", BigInteger, nullable=False),  # of the upload that has it; it gives it back where it fails
    Column("until", BigInteger, nullable=False),
    Index(None, "record_id"),
    Index(None, "until"),
)

# Derived keys that were ended one by one, by name.
ended: Final = Table(
    "ended",
    metadata,
    Column("name", Text, primary_key=True),
    Column("until", BigInteger),  # null: the derived key names no end
    Index(None, "until"),
)

# Tokens of an issuer that a key was minted for.
assertions: Final = Table(
    "assertions",
    metadata,
    Column("id", Text, primary_key=True),  # issuer and jti, or the token's own hash
    Column("until", BigInteger, nullable=False),
    Index(None, "until"),
)

# Trusted publishers, by label: since when this installation knows them, and whom their names belonged to at first use.
pins: Final = Table(
    "pins",
    metadata,
    Column("publisher", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("used", BigInteger),  # when a key was minted last; null: never
    Column("claims", Text),  # JSON: the ids that its names stood for at first use; null: never used
)
