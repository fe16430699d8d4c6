"""The whole way: a file becomes the Config and Policy that it says."""

import os
import re
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.config import Address, ConfigProblems, Limits, Reads, ThrottleSettings, Timeouts, load
from authproxy.config.show import shown
from authproxy.domain.grants import parse_grant, pattern
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import KeyPolicy, MetadataCheck, Overwrite, PackageRule, Policy, Rate, VersionPattern
from tests.config.conftest import LEAST, SECRET, Complaining, Loading

DAY = 24 * 3600

WHOLE = """\
listen: 0.0.0.0:8080
metrics: "[::1]:9100"
public_url: https://pypi.example.com
backend:
  flavour: pypiserver
  url: http://127.0.0.1:8081
  username: svc
  password: {file: pw}
  timeouts: {connect: 1s, read: 2m}
store: sqlite:////var/lib/authproxy/keys.db
state_directory: spool
reads: open
keys: {prefix: acme, lifetime: never}
key_policies:
  release:
    allow:
      - {actions: [upload], packages: ["acme-*", Docs], create: true}
      - {actions: [read, upload], packages: [acme-core]}
    lifetime: 30d
    networks: [10.0.0.0/8, "2001:db8::1"]
    uses: 5
    rate: 10/hour
  forever:
    allow: [{actions: [read], packages: ["*"]}]
packages:
  - {match: Acme_Core, filetypes: [wheel], max_size: 200MiB, overwrite: allow, versions: ["1.*"], metadata: off}
  - {match: "*", require: key}
trusted_proxies: [127.0.0.1]
limits: {max_upload: 1GiB, upload_deadline: 1h}
throttle: {failures: 3}
log: {level: debug, format: text}
"""


def test_a_whole_file(loaded: Loading, file: Path) -> None:
    """Every key arrives where the program reads it, in the program's own values."""
    config = loaded(WHOLE)
    assert (config.listen, config.metrics) == (Address("0.0.0.0", 8080), Address("::1", 9100))
    assert config.public_url == "https://pypi.example.com/"
    assert (config.backend.flavour, config.backend.url) == ("pypiserver", "http://127.0.0.1:8081/")
    assert (config.backend.username, config.backend.password) == ("svc", SECRET)
    assert config.backend.timeouts == Timeouts(connect=1, read=120, upload=600)
    assert (config.store, config.state_directory) == ("sqlite:////var/lib/authproxy/keys.db", file.parent / "spool")
    assert config.reads is Reads.OPEN
    assert (config.keys.prefix, config.keys.lifetime) == ("acme", None)
    assert config.trusted_proxies == (ip_network("127.0.0.1/32"),)
    assert config.limits == Limits(max_upload=1024**3, upload_deadline=3600)
    assert config.throttle == ThrottleSettings(failures=3)
    assert (config.log.level, config.log.format) == ("debug", "text")
    assert config.file == file


def test_the_policy_of_a_file(loaded: Loading) -> None:
    """The domain gets key policies and rules, with labels that people recognise and defaults that are the safe ones."""
    release = KeyPolicy(
        name="release",
        allow=(parse_grant("upload+create:acme-*,docs"), parse_grant("read,upload:acme-core")),
        lifetime=30 * DAY,
        networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128")),
        uses=5,
        rate=Rate(10, 3600),
    )
    forever = KeyPolicy(name="forever", allow=(parse_grant("read:*"),), lifetime=None)
    first = PackageRule(
        label="packages[0] acme-core",
        match=pattern("acme-core"),
        filetypes=frozenset({Filetype.WHEEL}),
        max_size=200 * 1024**2,
        overwrite=Overwrite.ALLOW,
        versions=(VersionPattern("1.*"),),
        metadata=MetadataCheck.OFF,
    )
    rest = PackageRule(label="packages[1] *", match=pattern("*"))
    assert loaded(WHOLE).policy == Policy({"release": release, "forever": forever}, (first, rest))


def test_a_file_without_its_secrets(tmp_path: Path) -> None:
    """For a comparison the password need not be there; to run, it must."""
    path = tmp_path / "authproxy.yaml"
    path.write_text(LEAST.replace("{flavour", "{username: svc, password: {file: nowhere}, flavour"), encoding="utf-8")
    config = load(path, secrets=False)
    assert (config.backend.password, config.backend.username) == (None, "svc")
    with pytest.raises(ConfigProblems):
        load(path)


def test_passwords_of_a_file(loaded: Loading) -> None:
    """Nobody who says nothing takes passwords; a package may have a word of its own."""
    assert loaded(LEAST).policy.passwords == PasswordRule(Passwords.REFUSE, None)
    text = 'passwords: {uploads: warn, until: 2027-01-31}\npackages: [{match: a, passwords: refuse}, {match: "*"}]\n'
    policy = loaded(LEAST + text).policy
    assert policy.passwords == PasswordRule(Passwords.WARN, date(2027, 1, 31))
    assert [rule.passwords for rule in policy.packages] == [Passwords.REFUSE, None]


def test_the_least_file(loaded: Loading, file: Path) -> None:
    """What is left out is what the example says; without policies and rules, nothing may be uploaded."""
    config = loaded(LEAST)
    assert (config.listen, config.metrics) == (Address("127.0.0.1", 8080), None)
    assert (config.reads, config.trusted_proxies, config.warnings) == (Reads.INDEX, (), ())
    assert config.limits == Limits(2 * 1024**3, 1024**2, 1800)
    assert (config.store, config.state_directory) == (f"sqlite:///{file.parent}/authproxy.db", file.parent)
    assert (dict(config.policy.key_policies), config.policy.packages) == ({}, ())


def test_paths_start_at_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the program runs and however the file is named, its paths are the same."""
    file.write_text(LEAST.replace("authproxy.db", "../elsewhere/keys.db"))
    expected = load(file, {})
    assert expected.store == f"sqlite:///{file.parent.parent}/elsewhere/keys.db"
    assert expected.state_directory == file.parent.parent / "elsewhere"
    monkeypatch.chdir(file.parent)
    assert load(Path(file.name), {}) == expected


def test_keys_are_paused_where_the_file_says_so(loaded: Loading) -> None:
    """Never by itself; the word for all keys is the default of policies, and a policy's own word counts."""
    policies = """key_policies:
  a: {allow: [{actions: [read], packages: [a]}]}
  b: {allow: [{actions: [read], packages: [a]}], pause_unused: 30d}
  c: {allow: [{actions: [read], packages: [a]}], pause_unused: never}
"""
    for text, expected in (("", [None, 30 * DAY, None]), ("keys: {pause_unused: 90d}\n", [90 * DAY, 30 * DAY, None])):
        config = loaded(LEAST + text + policies)
        assert [each.pause_unused for each in config.policy.key_policies.values()] == expected


def test_a_key_may_be_idle_for_a_day(complaints: Complaining) -> None:
    """Less is refused, with the reason."""
    [said] = complaints(LEAST + "keys: {pause_unused: 12h}\n")
    assert "it takes 1d at least: a key that is used once a day would be paused" in said


def test_the_lifetime_of_keys_is_the_default_of_policies(loaded: Loading) -> None:
    """A policy without a lifetime takes that of all keys, `never` included; its own word counts otherwise."""
    grants = "{allow: [{actions: [read], packages: [a]}]"
    policies = f"key_policies: {{a: {grants}}}, b: {grants}, lifetime: never}}, c: {grants}, lifetime: 1d}}}}\n"
    for keys, default in [("", 90 * DAY), ("keys: {lifetime: never}\n", None), ("keys: {lifetime: 5d}\n", 5 * DAY)]:
        found = loaded(LEAST + policies + keys).policy.key_policies
        assert [found[name].lifetime for name in "abc"] == [default, None, DAY]


def test_a_database_path_with_a_question_mark(tmp_path: Path) -> None:
    """It would end the path in the URL, so that another file would be opened; also where the directory brings it."""
    folder = tmp_path / "what?"
    folder.mkdir()
    (folder / "authproxy.yaml").write_text(LEAST)
    with pytest.raises(ConfigProblems, match="holds no question mark"):
        load(folder / "authproxy.yaml", {})


def test_the_environment_is_the_process_s_by_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` hands over no environment of its own."""
    monkeypatch.setitem(os.environ, "INDEX_PASSWORD", "from outside")
    file.write_text(WHOLE.replace("{file: pw}", "{env: INDEX_PASSWORD}"))
    assert load(file).backend.password == "from outside"


LEAKY = f"""\
public_url: https://user:{SECRET}@pypi.example.com/
backend:
  flavour: pypiserver
  url: http://user:{SECRET}@127.0.0.1:8081/
  password: {SECRET}
  passwort: {SECRET}
store: postgresql://user:{SECRET}@db/authproxy
tokens: [{SECRET}, *x]
api_key:
  - {SECRET}
  - {SECRET}: no
"""


def test_no_secret_in_a_report(complaints: Complaining, file: Path) -> None:
    """Secrets in all the places where people put them: each is a problem, and none is shown."""
    found = complaints(LEAKY)
    assert len(found) >= 7
    with pytest.raises(ConfigProblems) as caught:
        load(file, {})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.problems)


def test_a_report_that_echoes_lines_is_caught(file: Path) -> None:
    """Negative control: with the lines as they stand in the file, the check above would find the secret."""
    file.write_text(LEAKY)
    with pytest.raises(ConfigProblems) as caught:
        load(file, {})
    naive = "\n".join(f"{each.sentence}\n{LEAKY.splitlines()[each.line - 1]}" for each in caught.value.problems)
    assert SECRET in naive


def test_the_report_reads_well(file: Path) -> None:
    """A frozen example of the report, as `config check` prints it."""
    file.write_text("lísten: 80\n" + LEAST + "reads: no\n")
    with pytest.raises(ConfigProblems) as caught:
        load(file, {})
    assert re.sub(r"(?m)^\S*/", "", str(caught.value)) == (
        "authproxy.yaml:1:1: 'lísten' is no key of the file: did you mean listen?\n"
        "    lísten: 80\n"
        "    ^\n"
        'authproxy.yaml:5:8: YAML 1.1 reads no as a boolean: write true or false, or "no" in quotes\n'
        "    reads: no\n"
        "           ^"
    )


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.sampled_from([LEAST, WHOLE]).flatmap(
        lambda text: st.builds(
            lambda at, junk: (text[:at] + junk + text[at + len(junk) :]).encode(errors="replace"),
            st.integers(0, len(text)),
            st.text("\t\n :-#&*!|>'\"%@`{}[],?ab01\u00e9\u2028\x00", max_size=4),
        )
    )
)
def test_any_bytes_load_or_are_explained(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever is in the file: a Config, or problems with sentences that a terminal can show. Never a traceback."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    try:
        load(path, {})
    except ConfigProblems as exc:
        problems = exc.problems
    else:
        return
    assert problems
    assert all(each.sentence and str(each).replace("\n", "").isprintable() for each in problems)


SERVER = LEAST.replace("sqlite:///authproxy.db", "postgresql://u@localhost/d") + "state_directory: state\n"


def test_a_store_on_a_server(loaded: Loading, file: Path) -> None:
    """Its password is read and in no repr; the URL comes back written out; shown, it loads to the same."""
    config = loaded(SERVER + "store_password: {file: pw}\nstore_grace: 2m\n")
    assert (config.store, config.store_password) == ("postgresql://u@localhost/d?sslmode=disable", SECRET)
    assert (config.store_grace, config.state_directory) == (120, file.parent / "state")
    assert SECRET not in repr(config)
    told = shown(config)
    assert (told["store_password"], told["store_grace"]) == ({"file": "pw"}, "2m")
    assert SECRET not in str(told)
    least = loaded(SERVER)
    assert (least.store_password, least.store_grace) == (None, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST + "store_password: {file: pw}\n", "store_password is for PostgreSQL"),
        (LEAST + "store_grace: 1m\n", "store_grace is for PostgreSQL"),
        (SERVER.replace("state_directory: state\n", ""), "state_directory is missing"),
        (SERVER + "store_password: {file: nowhere}\n", "store_password: there is no file"),
        (SERVER.replace("localhost", "db.example.com"), "write sslmode=verify-full"),
    ],
)
def test_what_a_store_cannot_be(complaints: Complaining, text: str, said: str) -> None:
    """One sentence each, at its place."""
    assert any(said in each for each in complaints(text))
