"""The keyring backend with the real keyring, twine, pip and uv: each gets a derived key by itself, others get nothing.

The system's keyring is the one that keyrings.alt keeps in a file. The server records and asks for credentials.
"""

import os
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from authproxy.domain.caveats import Actions, Lifetime
from authproxy.domain.derived import parse_derived
from tests.e2e.printed import FLIT, Machine
from tests.peers.clients import Ran
from tests.peers.derived import PREFIX, Presented, caveats_of, key_file, new_key, presented
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.toolbox import Toolbox

pytestmark = pytest.mark.e2e

NAME = "acme-core"
MINUTE = 60
KNOWN = wheel("acme-known")
CHALLENGE = Reply(401, b"this needs an API key", (("WWW-Authenticate", 'Basic realm="pypi"'),))


def asks_for_a_key(seen: Seen) -> Script:
    """Everything takes a password; which one is for the test to judge. uv sends a name without one first."""
    basic = seen.header("Authorization")
    if basic is None or b64decode(basic.removeprefix("Basic ")).endswith(b":"):
        return CHALLENGE
    if seen.method == "POST":
        return Reply(200)
    if seen.target.endswith(".whl"):
        return Reply(200, KNOWN.content)
    page = f'<a href="/files/{KNOWN.filename}#sha256={KNOWN.sha256}">{KNOWN.filename}</a>'
    return Reply(200, page.encode(), (("Content-Type", "text/html"),))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a key and a machine, on which nothing but the entry point says that there is a backend of ours."""

    machine: Machine
    recording: RecordingIndex
    key: str
    beside: Path

    @property
    def named(self) -> str:
        return self.recording.url.replace("//", "//__token__@")

    def sh(self, line: str) -> Ran:
        url = self.recording.url
        script = line.replace("<url>", url).replace("<named>", self.named)
        path = os.environ.pop("PYTHONPATH", None)  # it would hold the checkout, which is installed
        try:
            return self.machine.sh(script)
        finally:
            os.environ.update({"PYTHONPATH": path} if path else {})

    def done(self, line: str) -> Ran:
        ran = self.sh(line)
        assert ran.code == 0, ran.said
        return ran

    def signed(self, line: str) -> list[Presented]:
        """What arrives with a password while a client does what it was asked."""
        ran = self.done(line)
        found = [seen for seen in self.recording.requests if asks_for_a_key(seen) is not CHALLENGE]
        assert found, ran.said
        return [presented(seen, self.key) for seen in found]

    def login(self, *options: str) -> None:
        self.done(f"authproxy login {' '.join(options)} <url> < ~/the.key")

    def kept(self) -> list[Path]:
        """The files that the full key stands in."""
        home = self.machine.home
        files = (path for path in home.rglob("*") if path.is_file() and path.name != "the.key")
        return [path.relative_to(home) for path in files if self.key.encode() in path.read_bytes()]


@pytest.fixture
def person(tmp_path: Path, tools: Toolbox, beside: Path, recording: RecordingIndex) -> Iterator[Person]:
    recording.answer = asks_for_a_key
    machine = Machine(tmp_path, NAME, (beside, tools.today))
    machine.begin(*FLIT)
    key = new_key()
    key_file(tmp_path, key)
    return Person(machine, recording, key, beside)


TWINE = "twine upload --non-interactive --repository-url <url> dist/*"
PIP = "pip install --no-input --no-deps --no-cache-dir --target got --index-url <url>simple/ acme-known"
UV = "uv pip install --no-config --no-deps --no-cache --target got --index-url <named>simple/ acme-known"
# pip of another environment runs the program `keyring` that stands on the PATH.
APART = PIP.replace("pip install", "$APART/pip install --keyring-provider subprocess")

ASKERS = [
    pytest.param(TWINE, {"upload"}, 10, id="twine upload"),
    pytest.param(f"python -m {TWINE}", {"upload"}, 10, id="python -m twine upload"),
    pytest.param(PIP.replace("install", "install --keyring-provider import"), {"read"}, 60, id="pip, import"),
    pytest.param(APART, {"read"}, 60, id="pip, subprocess"),
    pytest.param(UV.replace("install", "install --keyring-provider subprocess", 1), {"read"}, 60, id="uv pip install"),
    pytest.param(
        "uv publish --no-config --trusted-publishing never --keyring-provider subprocess --publish-url <named>",
        {"upload"},
        10,
        id="uv publish",
    ),
    pytest.param("FLIT_USERNAME=__token__ FLIT_INDEX_URL=<url> flit publish", {"upload"}, 10, id="flit publish"),
]


@pytest.mark.parametrize(("line", "actions", "minutes"), ASKERS)
def test_a_client_gets_a_derived_key_by_itself(
    person: Person, tools: Toolbox, line: str, actions: set[str], minutes: int
) -> None:
    """After one login the client is given nothing, and comes with a fresh key for what it does, for minutes."""
    command = line.replace("$APART", str(tools.today))
    refused = person.sh(command)
    assert refused.code != 0, refused.said
    person.login()
    person.recording.forget()
    person.recording.answer = asks_for_a_key
    signed = person.signed(command)
    for each in signed:
        assert each.user == "__token__"
        assert each.one(Actions).actions == actions
        life = each.one(Lifetime)
        assert life.expires - life.not_before == minutes * MINUTE
        assert abs(life.not_before - time.time()) < MINUTE
        assert each.kinds == {"Lifetime", "Actions"} | ({"Projects"} if "flit" in line else set())
    assert person.key.encode() not in person.recording.octets


def test_a_login_that_is_kept_in_a_file_is_as_good(person: Person) -> None:
    """Where there is no keyring to keep the key, the backend finds it in the file; twice, and each time another key."""
    person.login("--in-file")
    one = {each.text for each in person.signed(TWINE)}
    time.sleep(1.1)  # keys that are derived in one second for one thing are one
    assert len(one | {each.text for each in person.signed(TWINE)}) == 2


def test_the_key_stands_in_one_place_and_goes_with_logout(person: Person) -> None:
    """The keyring has it under a name that no client asks for, nothing else does; after logout nothing is left."""
    person.login()
    document = "".join(path.read_text() for path in person.machine.home.rglob("*.cfg"))
    assert "authproxy" in document.lower()
    assert person.kept() == []  # keyrings.alt writes base64, which hides it from this search
    for service in ("<url>", "<url>simple/", "127.0.0.1"):
        said = person.sh(f"keyring get {service} __token__").said.strip()
        assert person.key not in said
        assert not said or caveats_of(said, person.key)
    person.done("authproxy logout <url>")
    assert person.sh("keyring get <url> __token__").code == 1
    assert not (person.machine.home / ".config" / "authproxy" / "logins.json").exists()


def test_a_file_is_readable_by_its_owner_alone(person: Person) -> None:
    """`login --in-file` is the one place on the disk with the key, and a wider mode is refused at the next use."""
    person.login("--in-file")
    [path] = person.kept()
    whole = person.machine.home / path
    assert whole.stat().st_mode & 0o777 == 0o600
    whole.chmod(0o640)
    ran = person.sh("keyring get <url> __token__")
    assert ran.code != 0
    assert "can be read by others (mode 0640)" in ran.said
    assert person.key not in ran.said


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("https://other.example.com/", id="another host"),
        pytest.param("<url>", id="the same host with another scheme"),
        pytest.param("127.0.0.1", id="a host without a scheme"),
        pytest.param("poetry-repository-authproxy", id="a name that is no URL"),
        pytest.param("authproxy <url>", id="the name under which the key is kept"),
    ],
)
def test_what_is_not_ours_is_left_to_the_keyring(person: Person, asked: str) -> None:
    """Other hosts get nothing from us; what somebody keeps for them in the keyring is stored and found as ever."""
    if asked == "<url>":
        asked = person.recording.url.replace("http:", "https:")
    person.login()
    name = asked.replace("<url>", person.recording.url)
    assert person.sh(f"keyring get '{name}' __token__").code == 1
    person.done(f"printf s3cret | keyring set '{name}' alice")
    assert person.done(f"keyring get '{name}' alice").said.strip() == "s3cret"
    person.done(f"keyring del '{name}' alice")
    assert person.sh(f"keyring get '{name}' alice").code == 1


def test_another_user_of_our_host_is_left_to_the_keyring(person: Person) -> None:
    """While passwords still work, alice's own stands in the keyring, and a program that asks for hers gets hers."""
    person.login()
    person.done("printf s3cret | keyring set <url> alice")
    assert person.done("keyring get <url> alice").said.strip() == "s3cret"
    given = person.done("keyring get <url> __token__").said.strip()
    assert parse_derived(given, PREFIX) is not None


def test_nothing_of_ours_is_loaded_where_nobody_logged_in(person: Person) -> None:
    """Without a login there is no backend of ours, and its entry point imports nothing of the domain."""
    listing = person.done("keyring --list-backends").said
    assert "authproxy" not in listing
    line = "python -X importtime -c 'from keyring.backend import get_all_keyring; get_all_keyring()'"
    loaded = person.done(f"{line} 2>&1").said
    assert "authproxy.client.places" in loaded
    assert "authproxy.domain" not in loaded
    person.login()
    assert "authproxy.client.keyring_answers.DerivedKeys (priority: 9.5)" in person.done("keyring --list-backends").said
    assert "authproxy.domain" not in person.done(f"{line} 2>&1").said


def test_a_keyring_that_is_switched_off_keeps_no_key(person: Person) -> None:
    """Where only keyrings are that keep nothing, login refuses before it reads the key, and names the file."""
    for name in ("null", "fail"):
        ran = person.sh(f"PYTHON_KEYRING_BACKEND=keyring.backends.{name}.Keyring authproxy login <url> < ~/the.key")
        assert ran.code == 1
        assert "no keyring that could keep a key: `authproxy login --in-file" in ran.said
    assert person.kept() == []


def test_exec_and_derive_take_the_key_of_the_login(person: Person) -> None:
    """With a login neither needs a key, nor, where there is but one, a URL."""
    person.login()
    ran = person.done("authproxy exec -- twine upload dist/*")
    assert len(person.recording.uploads) == 2, ran.said
    assert "Digests" in presented(person.recording.uploads[0], person.key).kinds
    made = person.done("authproxy derive --package acme-core 2>/dev/null </dev/null").said.strip()
    assert {type(each).__name__ for each in caveats_of(made, person.key)} == {"Lifetime", "Projects"}
    again = person.done("authproxy derive --url <url> --action read 2>/dev/null").said.strip()
    assert {type(each).__name__ for each in caveats_of(again, person.key)} == {"Lifetime", "Actions"}
