"""Whole configurations, drawn for property tests: plain values as YAML would give them, all of which load."""

from typing import Any

from hypothesis import strategies as st

from authproxy.domain.events import Event

DURATIONS = st.builds("{}{}".format, st.integers(1, 500), st.sampled_from("smhdw"))
LIFETIMES = DURATIONS | st.just("never")
IDLES = st.builds("{}{}".format, st.integers(1, 500), st.sampled_from("dw")) | st.just("never")
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
        "actions": st.sampled_from([["upload"], ["upload", "read"], ["delete", "upload"], ["push"]]),
        "packages": some(st.sampled_from(["acme-*", "B_c", "*"]), 1),
    },
    create=st.booleans(),
) | section({"actions": st.just(["read"]), "packages": st.just(["*"])})

KEY_POLICIES = section(
    {"allow": some(GRANTS, 1)},
    lifetime=LIFETIMES,
    pause_unused=IDLES,
    networks=some(NETWORKS),
    uses=COUNTS,
    rate=st.builds("{}/{}".format, st.integers(1, 10**9 - 1), st.sampled_from(["second", "minute", "hour", "day"])),
)

RULES = section(
    {},
    require=st.sampled_from(["key", "trusted-publisher"]),
    filetypes=st.sampled_from([["wheel"], ["sdist", "wheel"]]),
    max_size=SIZES,
    overwrite=st.sampled_from(["never", "allow"]),
    versions=some(st.sampled_from(["1.*", ">=1.0,<2", "2.0", "*.dev*", "~=1.4"])),
    metadata=st.sampled_from(["verify", "off"]),
    enforce=st.booleans(),
    passwords=st.sampled_from(["allow", "warn", "refuse"]),
)
# Names that cover each other nowhere, and what covers them all at the end.
PACKAGES = st.lists(RULES, max_size=3).map(
    lambda rules: [{"match": match, **rule} for match, rule in zip(["acme-core", "acme-*", "*"], rules, strict=False)]
)

WEBHOOKS = st.lists(
    section(
        {
            "name": NAMES,
            "url": st.sampled_from(["https://ops.example.com", "http://[::1]:9/a?b=%2e", "https://Ops/x//y"]),
            "secret": st.just({"file": "pw"}),
            "events": st.lists(st.sampled_from(sorted(map(str, Event))), min_size=1, unique=True),
        }
    ),
    max_size=2,
    unique_by=lambda each: each["name"],
)

COMMON = {
    "create": st.booleans(),
    "lifetime": st.sampled_from(["15m", "1h", "6h", "900s"]),
    "networks": some(NETWORKS),
    "claims": st.sampled_from([{"actor": "x"}, {"a.b/c": ["x*", 7]}, {"a": {"b": True, "c": {"d": 1}}}]),
}
JOBS = {
    "environment": st.sampled_from(["pypi", "PyPI test"]),
    "refs": some(st.sampled_from(["refs/heads/main", "refs/tags/*"])),
    "ref_protected": st.booleans(),
}
IDS = st.integers(0, 10**12) | st.just("74")
OWN = st.sampled_from(["https://own.example", "https://own.example:8443/a/"])
# Each of another name or kind, so that none is the same as another.
PUBLISHERS = st.tuples(
    section(
        {"kind": st.just("github"), "repository": st.just("Acme/core"), "workflow": st.just("release.yml")},
        issuer=OWN,
        repository_id=IDS,
        repository_owner_id=IDS,
        **JOBS,
        **COMMON,
    ),
    section(
        {"kind": st.just("gitlab"), "project": st.just("a/b/C"), "pipeline": st.just("ci/x y.yaml")},
        issuer=OWN,
        project_id=IDS,
        namespace_id=IDS,
        **JOBS,
        **COMMON,
    ),
    section({"kind": st.just("google"), "email": st.just("ci@a.example")}, sub=IDS, **COMMON),
    section({"kind": st.just("oidc"), "issuer": OWN}, **COMMON).map(lambda each: {"claims": {"sub": "x"}, **each}),
).flatmap(
    lambda each: st.lists(st.sampled_from(each), max_size=3, unique_by=lambda it: str(it["kind"])).map(
        lambda some_of: [{"packages": ["acme-*", "B_c"], **it} for it in some_of]
    )
)


def settled(document: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The same with settings for the issuers that it names."""
    urls = {each["issuer"] for each in document.get("publishers", []) if "issuer" in each}
    if settings:
        document["trusted_publishing"] = {"audience": "a.b", "issuers": dict.fromkeys(sorted(urls), settings)}
    return document


SETTINGS = section(
    {},
    algorithms=st.sampled_from([["RS256"], ["ES384", "EdDSA"]]),
    audience=st.just("api://X"),
    audience_in_list=st.booleans(),
    keys_url=st.just("https://own.example/keys"),
    ca_file=st.just("pw"),
)

ACCOUNTS = st.just({}) | st.just({"username": "svc", "password": {"file": "pw"}})
TIMEOUTS = section({}, connect=DURATIONS, read=DURATIONS, upload=st.sampled_from(["1s", "599s", "10m", "30m"]))
KINDS = st.just({"flavour": "pypiserver"}) | st.builds(
    lambda indexes, opens: {"flavour": "devpi", "indexes": indexes, **opens},
    st.lists(st.sampled_from(["team/dev", "Root/a.b_c-1", "0/x"]), min_size=1, unique=True),
    section({}, opens=st.lists(st.sampled_from(["indexes", "users", "tox-results"]), unique=True)),
)
BACKENDS = st.builds(
    lambda kind, account, rest: {**kind, **account, **rest},
    KINDS,
    ACCOUNTS,
    section(
        {"url": st.sampled_from(["http://127.0.0.1:8081/", "https://index", "http://[::1]:81"])},
        timeouts=TIMEOUTS,
        read_back=st.booleans(),
    ),
)


def named(document: dict[str, Any], chosen: bool) -> dict[str, Any]:
    """The same with indexes in its grants and its first rule, where there is a devpi that has them."""
    indexes = document["backend"].get("indexes", [])
    if indexes and chosen:
        for policy in document.get("key_policies", {}).values():
            policy["allow"] = [{**grant, "indexes": indexes} for grant in policy["allow"]]
        document["packages"] = [{**rule, "indexes": indexes[:1]} for rule in document.get("packages", [])]
    return document


WHOLE = st.builds(
    named,
    section(
        {
            "public_url": st.sampled_from(["https://pypi.example.com/", "http://Localhost:8080", "https://a.b:443"]),
            "backend": BACKENDS,
            "store": st.sampled_from(["sqlite:///authproxy.db", "sqlite:////var/lib/a b/x.db", "sqlite:///a/../b.db"]),
        },
        listen=ADDRESSES | st.just("unix:/run/a b.sock"),
        socket_mode=st.sampled_from(["600", "0666"]),
        workers=st.integers(1, 64),
        metrics=st.just("127.0.0.1:0"),
        state_directory=st.sampled_from(["state", "/var/tmp", "."]),
        reads=st.sampled_from(["index", "open"]),
        passwords=section(
            {},
            uploads=st.sampled_from(["allow", "warn", "refuse"]),
            until=st.sampled_from(["2027-01-31", "2028-02-29"]),
        ),
        keys=section({}, prefix=st.sampled_from(["apx", "ab", "acme1"]), lifetime=LIFETIMES, pause_unused=IDLES),
        key_policies=st.dictionaries(NAMES, KEY_POLICIES, max_size=2),
        packages=PACKAGES,
        publishers=PUBLISHERS,
        trusted_proxies=some(NETWORKS | st.just("unix")),
        record=section({}, keep=DURATIONS),
        webhooks=WEBHOOKS,
        limits=section({"max_upload": LIMITS}, spool_memory=SIZES, upload_deadline=DURATIONS),
        throttle=section({}, failures=COUNTS, window=DURATIONS),
        log=section(
            {}, level=st.sampled_from(["debug", "info", "warning", "error"]), format=st.sampled_from(["json", "text"])
        ),
    ),
    st.booleans(),
)
DOCUMENTS = st.builds(settled, WHOLE, SETTINGS)
