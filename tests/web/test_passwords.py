"""An upload with the index's own password: the index judges it first, and nobody is lent anything."""

import asyncio
import time
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from authproxy.authority.credential import Credential
from authproxy.domain.refusal import Code, Refused
from authproxy.web.passwords import TURNS, WAITING
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, wheel
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer, basic
from tests.web.conftest import POLICIES, Running
from tests.web.test_upload import rows

PASSWORD = "her own passw0rd"
ALICE = basic("alice", PASSWORD)
SERVICE = basic("service", "s3cret-passw0rd")
TODAY = datetime.now(UTC).date()
VERIFY = b"%3Aaction=verify"


@dataclass
class Guarded:
    """An index that knows alice and the service account, and what it has stored."""

    stored: list[str]
    takes: tuple[str, ...] = (ALICE, SERVICE)
    open: bool = False

    def __call__(self, seen: Seen) -> Script:
        if seen.method != "POST":
            links = "".join(f'<a href="../../packages/{name}">{name}</a><br>' for name in self.stored)
            return Reply(200, links.encode()) if self.stored else Reply(404)
        credential = seen.header("Authorization")
        if not self.open and credential is None:
            return Reply(401)
        if not self.open and credential not in self.takes:
            return Reply(403, b"no")
        if seen.body != VERIFY:
            self.stored.append(seen.body.split(b'filename="')[1].split(b'"')[0].decode())
        return Reply(200)


@pytest.fixture
def guarded(recording: RecordingIndex) -> Guarded:
    """The index behind the proxy asks for passwords."""
    recording.answer = index = Guarded([])
    return index


async def send(running: Running, package: Package, credential: str = ALICE) -> Answer:
    """An honest upload with this Authorization."""
    return await running.ask(post(body_of(parts_of(package)), key=None, more=[("Authorization", credential)]))


def passwords(uploads: str, *, days: int | None = None, **package: str) -> dict[str, Any]:
    """Settings: `days` from today is the last day."""
    until = {} if days is None else {"until": str(TODAY + timedelta(days))}
    rules = [{"match": "acme-*", "filetypes": ["wheel"], **package}, {"match": "web-*"}]
    return {"passwords": {"uploads": uploads, **until}, "packages": rules, "key_policies": POLICIES}


taking = pytest.mark.parametrize("running", [passwords("allow"), passwords("warn", days=1)], indirect=True, ids=["allow", "warn"])  # fmt: skip
allowing = pytest.mark.parametrize("running", [passwords("allow")], indirect=True, ids=["allow"])


@taking
async def test_a_right_password_uploads(running: Running, recording: RecordingIndex, guarded: Guarded) -> None:
    """Her own credential goes to the index with our form, and the record names her and nothing secret."""
    package = wheel("acme-core")
    answer = await send(running, package)
    assert answer.status == 200, answer.text
    assert guarded.stored == [package.filename]
    anonymous, asked, uploaded = recording.uploads
    assert (anonymous.header("Authorization"), anonymous.body) == (None, VERIFY)
    assert (asked.header("Authorization"), asked.body) == (ALICE, VERIFY)
    assert uploaded.header("Authorization") == ALICE
    assert b'name=":action"' in uploaded.body
    [row] = rows(running)
    for name, value in {"principal": "password", "owner": "alice", "key_id": None, "outcome": "stored"}.items():
        assert row[name] == value, name
    assert PASSWORD not in str(row)


@taking
async def test_the_warning_is_in_the_answer_and_in_the_record(running: Running, guarded: Guarded) -> None:
    """Only where the operator says warn, and with the last day and what to do; also for bytes that were there."""
    for _ in range(2):
        answer = await send(running, wheel("acme-core"))
        assert answer.status == 200
        warned = "ask the operator for a key" in answer.text
        assert warned == (running.app.parts.config.policy.passwords.uploads == "warn")
        assert ("ask the operator for a key" in answer.reason) == warned
    first, again = rows(running)
    assert (first["outcome"], again["outcome"]) == ("stored", "same")
    for row in (first, again):
        assert row["code"] is None
        assert (row["reason"] is not None and "ask the operator for a key" in row["reason"]) == warned
    assert len(guarded.stored) == 1


@allowing
async def test_a_wrong_password_learns_nothing(running: Running, recording: RecordingIndex, guarded: Guarded) -> None:
    """For a file that is there, one that is not, a project that nobody may upload: the same words, no body, no row."""
    there = wheel("acme-core")
    assert (await send(running, there)).status == 200
    before = rows(running)
    recording.requests.clear()
    packages = there, wheel("acme-core", payload=b"x"), wheel("acme-new"), wheel("victim")
    answers = [await send(running, package, basic("alice", "guessed")) for package in packages]
    assert {(each.status, each.reason, each.header("WWW-Authenticate")) for each in answers} == {
        (401, answers[0].reason, 'Basic realm="pypi"')
    }
    assert "user name and password" in answers[0].reason
    assert {seen.body for seen in recording.requests} == {VERIFY}
    assert SERVICE not in {seen.header("Authorization") for seen in recording.requests}
    assert rows(running) == before
    assert len(guarded.stored) == 1


@allowing
async def test_a_right_password_learns_what_the_index_would_tell(running: Running, guarded: Guarded) -> None:
    """The control of the test above: with the right password those four have three different answers."""
    there = wheel("acme-core")
    answers = [
        await send(running, each)
        for each in (there, there, wheel("acme-core", payload=b"x"), wheel("acme-new"), wheel("victim"))
    ]
    assert [each.status for each in answers] == [200, 200, 400, 200, 403]
    assert "already" in answers[1].text
    assert "File already exists" in answers[2].reason
    assert len(guarded.stored) == 2


@allowing
@pytest.mark.usefixtures("guarded")
async def test_guesses_have_to_wait(running: Running, recording: RecordingIndex) -> None:
    """Wrong passwords count as failures of their address: neither one after another nor all at once is there a way."""
    failures = running.app.parts.config.throttle.failures
    guesses = [basic("alice", f"guess {number}") for number in range(failures * 4)]
    answers = await asyncio.gather(*(send(running, wheel("acme-core"), each) for each in guesses))
    assert {each.status for each in answers} == {401, 429}
    asked = [seen for seen in recording.uploads if seen.header("Authorization")]
    assert failures <= len(asked) <= failures + 3
    late = await send(running, wheel("acme-core"))
    assert (late.status, late.header("Retry-After") is not None) == (429, True)


@allowing
async def test_an_index_without_passwords_opens_nothing(
    running: Running, recording: RecordingIndex, guarded: Guarded
) -> None:
    """It would say yes to any password: that is the operator's mistake, and nobody's way in."""
    guarded.open = True
    answer = await send(running, wheel("acme-core"), basic("mallory", "anything"))
    assert (answer.status, answer.reason.startswith("proxy is misconfigured: the index takes uploads without")) == (
        403,
        True,
    )
    assert [seen.body for seen in recording.requests] == [VERIFY]
    assert guarded.stored == []


@allowing
async def test_a_no_to_the_upload_is_the_users(running: Running, guarded: Guarded, recording: RecordingIndex) -> None:
    """Taken when it was asked and not when it was sent: 401 for her, and no alarm about our own account."""
    recording.answer = lambda seen: guarded(seen) if seen.method == "GET" or seen.body == VERIFY else Reply(403)
    answer = await send(running, wheel("acme-core"))
    assert (answer.status, "user name and password" in answer.reason) == (401, True)
    assert next(iter(running.app.parts.metrics.misconfigured.collect())).samples[0].value == 0
    [row] = rows(running)
    assert (row["outcome"], row["index_status"]) == ("refused", 403)


NOT_A_PASSWORD = {
    "a bearer token": "Bearer abcdef",
    "a user without a name": basic("", "password"),
    "a name of other letters": basic("ålice", "password"),
    "a name with a line end": basic("ali\nce", "password"),
    "a name that does not end": basic("a" * 101, "password"),
    "two spellings of base64": ALICE + "=",
}


@allowing
@pytest.mark.parametrize("credential", NOT_A_PASSWORD.values(), ids=NOT_A_PASSWORD.keys())
async def test_what_is_no_password_is_not_asked_about(
    running: Running, recording: RecordingIndex, credential: str
) -> None:
    """Only user name and password, in one spelling, are for the index to judge."""
    assert (await send(running, wheel("acme-core"), credential)).status == 401
    recording.assert_saw_nothing()


@allowing
async def test_what_goes_to_the_index_is_written_anew(
    running: Running, recording: RecordingIndex, guarded: Guarded
) -> None:
    """However her client spells the header, the index reads one spelling of it; and a form that lies never arrives."""
    assert (
        await send(running, wheel("acme-core"), f"bAsIc   {ALICE.removeprefix('Basic ').rstrip('=')} ")
    ).status == 200
    assert {seen.header("Authorization") for seen in recording.uploads} == {None, ALICE}
    lie = post(body_of(parts_of(wheel("acme-core", "2.0"), name="victim")), key=None, more=[("Authorization", ALICE)])
    assert (await running.ask(lie)).status == 400
    assert len(guarded.stored) == 1
    assert b64decode(ALICE.removeprefix("Basic ")).decode() == f"alice:{PASSWORD}"


@allowing
async def test_a_user_replaces_nothing(running: Running, guarded: Guarded) -> None:
    """`overwrite: never` is the rule's, and a key's uploads are no other user's to replace."""
    key = await running.key()
    assert (await running.ask(post(body_of(parts_of(wheel("acme-core"))), key=key))).status == 200
    answer = await send(running, wheel("acme-core", payload=b"other"))
    assert (answer.status, "File already exists" in answer.reason) == (400, True)
    assert len(guarded.stored) == 1


@allowing
async def test_the_password_is_nowhere(running: Running, guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    """Right or wrong, neither the log nor any file beside the database holds it, nor an answer."""
    caplog.set_level("DEBUG")
    answers = [await send(running, wheel("acme-core"), each) for each in (ALICE, basic("alice", PASSWORD + "!"))]
    for secret in (PASSWORD, ALICE.removeprefix("Basic "), basic("alice", PASSWORD + "!").removeprefix("Basic ")):
        assert secret not in caplog.text
        assert not any(secret in each.text + each.reason for each in answers)
        for path in running.file.parent.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert "alice" in str(rows(running))
    assert len(guarded.stored) == 1


@allowing
async def test_guesses_that_wait_together_are_heard_one_after_the_other(
    running: Running, recording: RecordingIndex, guarded: Guarded
) -> None:
    """While the index hashes a few, the others wait, and most of them are turned away without it."""

    def slow(seen: Seen) -> Script:
        time.sleep(0.02)
        return guarded(seen)

    recording.answer = slow
    parts = running.app.parts

    async def guess(number: int) -> Code:
        credential = Credential(foreign=basic("alice", f"guess {number}"))
        with pytest.raises(Refused) as caught:
            await parts.passwords.proved(
                credential, parts.policy, "pypiserver", ip_address("192.0.2.7"), now=parts.now()
            )
        return caught.value.denial.code

    codes = await asyncio.gather(*(guess(number) for number in range(WAITING + 20)))
    asked = [seen for seen in recording.uploads if seen.header("Authorization")]
    failures = parts.config.throttle.failures
    assert failures <= len(asked) == codes.count(Code.PASSWORD_WRONG) <= failures + TURNS - 1
    assert codes.count(Code.BUSY) == 20
    assert set(codes) == {Code.PASSWORD_WRONG, Code.THROTTLED, Code.BUSY}
