"""Whole configurations, drawn for property tests: plain values as YAML would give them, all of which load."""

from typing import Any

from hypothesis import strategies as st

DURATIONS = st.builds("{}{}".format, st.integers(1, 500), st.sampled_from("smhdw"))
LIFETIMES = DURATIONS | st.just("never")
# Under the smallest limit that is drawn, so that no rule is over it.
SIZES = st.builds("{}{}".format, st.integers(1, 900), st.sampled_from(["B", "KiB", "KB", " MiB"])) | st.integers(1, 999)
LIMITS = st.builds("{}{}".format, st.integers(1, 900), st.sampled_from(["GiB", "GB", "TiB"]))
NETWORKS = st.ip_addresses().map(str).filter(lambda text: not text.startswith("::ffff")) | st.just("10.0.0.0/8")
ADDRESSES = st.builds("127.0.0.1:{}".format, st.integers(1, 65535)) | st.just("[::1]:0")
COUNTS = st.integers(1, 2**31 - 1)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,5}", fullmatch=True)


def section(required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def some(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=least, max_size=3)


GRANTS = section(
    {
        "actions": st.sampled_from([["upload"], ["upload", "read"]]),
        "packages": some(st.sampled_from(["acme-*", "B_c", "*"]), 1),
    },
    create=st.booleans(),
) | section({"actions": st.just(["read"]), "packages": st.just(["*"])})

KEY_POLICIES = section(
    {"allow": some(GRANTS, 1)},
    lifetime=LIFETIMES,
    networks=some(NETWORKS),
    uses=COUNTS,
    rate=st.builds("{}/{}".format, st.integers(1, 10**9 - 1), st.sampled_from(["second", "minute", "hour", "day"])),
)

RULES = section(
    {},
    require=st.just("key"),
    filetypes=st.sampled_from([["wheel"], ["sdist", "wheel"]]),
    max_size=SIZES,
    overwrite=st.sampled_from(["never", "allow"]),
    versions=some(st.sampled_from(["1.*", ">=1.0,<2", "2.0", "*.dev*", "~=1.4"])),
    metadata=st.sampled_from(["verify", "off"]),
)
# Names that cover each other nowhere, and what covers them all at the end.
PACKAGES = st.lists(RULES, max_size=3).map(
    lambda rules: [{"match": match, **rule} for match, rule in zip(["acme-core", "acme-*", "*"], rules, strict=False)]
)

ACCOUNTS = st.just({}) | st.just({"username": "svc", "password": {"file": "pw"}})
TIMEOUTS = section({}, connect=DURATIONS, read=DURATIONS, upload=DURATIONS)
BACKENDS = st.builds(
    lambda account, rest: {"flavour": "pypiserver", **account, **rest},
    ACCOUNTS,
    section(
        {"url": st.sampled_from(["http://127.0.0.1:8081/", "https://index", "http://[::1]:81"])}, timeouts=TIMEOUTS
    ),
)

DOCUMENTS = section(
    {
        "public_url": st.sampled_from(["https://pypi.example.com/", "http://Localhost:8080", "https://a.b:443"]),
        "backend": BACKENDS,
        "store": st.sampled_from(["sqlite:///authproxy.db", "sqlite:////var/lib/a b/x.db", "sqlite:///a/../b.db"]),
    },
    listen=ADDRESSES,
    metrics=st.just("127.0.0.1:0"),
    state_directory=st.sampled_from(["state", "/var/tmp", "."]),
    reads=st.sampled_from(["index", "open"]),
    keys=section({}, prefix=st.sampled_from(["apx", "ab", "acme1"]), lifetime=LIFETIMES),
    key_policies=st.dictionaries(NAMES, KEY_POLICIES, max_size=2),
    packages=PACKAGES,
    trusted_proxies=some(NETWORKS),
    limits=section({"max_upload": LIMITS}, spool_memory=SIZES, upload_deadline=DURATIONS),
    throttle=section({}, failures=COUNTS, window=DURATIONS),
    log=section(
        {}, level=st.sampled_from(["debug", "info", "warning", "error"]), format=st.sampled_from(["json", "text"])
    ),
)
