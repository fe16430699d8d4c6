"""Requests for a push as `authproxy push` writes them, and as they should not be."""

import json
from typing import Any

from tests.backend.test_push import DEV, STABLE
from tests.peers.wire import basic, head


def allow(*actions: str, indexes: tuple[str, ...] = (DEV, STABLE), **more: object) -> dict[str, Any]:
    return {"actions": list(actions), "packages": ["acme-*"], "indexes": list(indexes), **more}


POLICIES = {
    "release": {"allow": [allow("push", create=True)], "uses": 2},
    "old": {"allow": [allow("push")]},
    "from": {"allow": [allow("push", indexes=(DEV,))]},
    "into": {"allow": [allow("push", indexes=(STABLE,), create=True)]},
    "upload": {"allow": [allow("upload", "read", "delete", create=True)]},
}
FIELDS = {"name": "acme-core", "version": "1.0", "source": DEV, "target": STABLE}


def pushing(
    key: str | None, body: object = None, *more: tuple[str, str], media: str = "application/json", **changes: object
) -> bytes:
    """The request; `body` instead of the honest fields, or `changes` of them."""
    said = FIELDS | changes if body is None else body
    octets = said if isinstance(said, bytes) else json.dumps(said).encode()
    credential = [] if key is None else [("Authorization", basic("__token__", key))]
    framing = [("Content-Length", str(len(octets))), ("Content-Type", media), ("Connection", "close")]
    return head("POST", "/-/push", [*credential, *framing, *more]) + octets


TWICE = b'{"name":"acme-core","version":"1.0","source":"team/dev","target":"team/stable","target":"team/other"}'
BODIES: dict[str, object] = {
    "nothing": b"",
    "no object": [],
    "a list of pairs": list(FIELDS.items()),
    "a name": "acme-core",
    "no target": {name: FIELDS[name] for name in ("name", "version", "source")},
    "a target twice": TWICE,
    "one field more": FIELDS | {"posturl": "http://192.0.2.1/"},
    "devpi's own field": FIELDS | {"targetindex": STABLE},
    "a number": FIELDS | {"version": 1.0},
    "nothing for a target": FIELDS | {"target": None},
    "an object for a target": FIELDS | {"target": {"index": STABLE}},
    "a list for a target": FIELDS | {"target": [STABLE]},
    "text that is not ASCII": json.dumps(FIELDS | {"name": "acm\u00e9"}, ensure_ascii=False).encode(),
    "something behind it": json.dumps(FIELDS).encode() + b"{}",
    "a depth": b"[" * 3000,
}


VALUES = [
    ("target", "team/other", "no index behind this proxy"),
    ("target", "team/../team/stable", "no index behind this proxy"),
    ("target", "team%2Fstable", "no index behind this proxy"),
    ("target", "TEAM/STABLE", "no index behind this proxy"),
    ("target", "team/stable\n", "no index behind this proxy"),
    ("target", "team/st\u0430ble", "no index behind this proxy"),
    ("target", "http://192.0.2.1/", "no index behind this proxy"),
    ("target", "*", "no index behind this proxy"),
    ("source", "root/pypi", "no index behind this proxy"),
    ("source", "", "no index behind this proxy"),
    ("source", STABLE, "both source and target"),
    ("name", "acme-*", "no project name"),
    ("name", "../acme", "no project name"),
    ("name", "acme-\N{KELVIN SIGN}ore", "no project name"),
    ("version", "latest", "no version"),
    ("version", "1.*", "no version"),
]
