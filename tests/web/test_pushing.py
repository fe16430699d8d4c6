"""A push takes a grant in both indexes, is on record before devpi sees it, and other bytes never take a name."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authproxy.web.pushing import BODY_LIMIT
from tests.backend.test_push import DEV, SDIST, STABLE, WHEEL, link
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer, basic, exchange, get
from tests.web.conftest import Running
from tests.web.pushes import BODIES, FIELDS, VALUES, before_devpi, held, pushes, pushing
from tests.web.test_upload import rows


@pytest.fixture
async def before(tmp_path: Path, recording: RecordingIndex, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A proxy before a devpi that holds a release; `request.param` holds settings that differ from the plain ones."""
    async with before_devpi(tmp_path, recording, getattr(request, "param", {})) as running:
        yield running


async def test_a_release_is_pushed_and_on_record(before: Running, recording: RecordingIndex) -> None:
    """One row for each file, from where, by which grants; its uses are spent, and the second time nothing is sent."""
    key = await before.key()
    answer = await before.ask(pushing(key, name="Acme.Core", version="1"))
    assert (answer.status, answer.text.split(":")[0]) == (200, f"pushed acme-core 1 from {DEV} to {STABLE}"), answer
    assert (answer.header("Cache-Control"), answer.header("Vary")) == ("no-store", "Authorization, X-Devpi-Auth")
    grant = f"push+create:acme-*@{DEV},{STABLE}"
    for row in rows(before):
        assert (row["action"], row["outcome"], row["index_name"], row["grant"]) == ("push", "stored", STABLE, grant)
        assert (row["source"], row["reason"], row["rule"], row["index_status"]) == (DEV, None, "packages[0] *", 200)
    assert {row["filename"] for row in rows(before)} == {WHEEL, SDIST}
    assert {row["sha256"] for row in rows(before, "files")} == {"1" * 64, "2" * 64}
    assert [row["used"] for row in rows(before, "keys")] == [2]
    assert rows(before, "claims") == []
    await before.app.parts.uses.flush()
    assert [(row["action"], row["project"]) for row in rows(before, "last_uses")] == [("push", "acme-core")]
    again = await before.ask(pushing(key, None, ("Accept", "application/json")))
    said = json.loads(again.body)
    assert (again.status, said["pushed"], sorted(said["files"])) == (200, False, [WHEEL, SDIST])
    assert "already there" in said["message"]
    assert len(pushes(recording)) == 1


async def test_the_record_comes_first(before: Running, recording: RecordingIndex) -> None:
    """There is no push in devpi without its rows."""
    index, by_then = held(recording), []

    def answer(seen: Seen) -> Script:
        if seen.method == "PUSH":
            by_then.append([row["outcome"] for row in rows(before)])
        return index(seen)

    recording.answer = answer
    await before.ask(pushing(await before.key()))
    assert by_then == [["pending", "pending"]]


NO_GRANT = [
    pytest.param("from", f"may not push 'acme-core' into {STABLE}", id="the source alone"),
    pytest.param("into", f"may not push 'acme-core' from {DEV}", id="the target alone"),
    pytest.param("upload", f"may not push 'acme-core' from {DEV}: it may", id="everything but a push"),
]


@pytest.mark.parametrize(("policy", "words"), NO_GRANT)
async def test_a_push_takes_its_own_grant(before: Running, recording: RecordingIndex, policy: str, words: str) -> None:
    """On both sides; the index saw nothing, and the record saw the try."""
    answer = await before.ask(pushing(await before.key(policy)))
    assert (answer.status, words in answer.reason) == (403, True), answer
    recording.assert_saw_nothing()
    [row] = rows(before)
    assert (row["action"], row["index_name"], row["code"]) == ("push", STABLE, "not-allowed")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_form_that_cannot_be_trusted(before: Running, recording: RecordingIndex, body: object) -> None:
    """Four strings, each once, and nothing else."""
    answer = await before.ask(pushing(await before.key(), body))
    assert (answer.status, "four strings, each once" in answer.reason) == (400, True), answer
    recording.assert_saw_nothing()


@pytest.mark.parametrize(("field", "value", "words"), VALUES)
async def test_a_value_that_is_none(
    before: Running, recording: RecordingIndex, field: str, value: str, words: str
) -> None:
    """Indexes letter by letter as the config has them, names and versions by their grammars."""
    answer = await before.ask(pushing(await before.key(), **{field: value}))
    assert (answer.status, words in answer.reason) == (400, True), answer
    recording.assert_saw_nothing()


async def test_a_key_that_may_push_nothing_learns_no_names(before: Running, recording: RecordingIndex) -> None:
    """And who may push somewhere learns of those indexes alone."""
    answer = await before.ask(pushing(await before.key("upload"), target="team/other"))
    assert (answer.status, "may not push" in answer.reason) == (403, True), answer
    assert [index for index in (DEV, STABLE) if index in answer.text] == []
    answer = await before.ask(pushing(await before.key("from"), target="team/other"))
    assert (answer.status, f"it takes one of {DEV}, as written" in answer.reason) == (400, True), answer
    recording.assert_saw_nothing()
    assert [(row["action"], row["code"]) for row in rows(before)] == [
        ("push", "not-allowed"),
        ("push", "request-invalid"),
    ]


async def test_what_nobody_judged_is_no_success(
    before: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """It came to the source past us in that very moment: an alarm, a refusal, and what the target has is what we know."""
    index = held(recording)
    index.target = [link(SDIST, "2")]
    key = await before.key()
    index.brought, index.copies = [link(SDIST, "9"), link("acme_core-1.0.egg", "8")], (WHEEL,)
    answer = await before.ask(pushing(key))
    assert (answer.status, "nobody judged that" in answer.reason) == (400, True), answer
    assert (SDIST in answer.reason, "acme_core-1.0.egg" in answer.reason) == (True, True), answer
    assert "a push brought files that nobody judged" in caplog.messages
    found = sorted((row["outcome"], row["code"], row["filename"], row["sha256"]) for row in rows(before))
    assert [row for row in found if row[0] == "denied"] == [
        ("denied", "index-refused", "", ""),
        ("denied", "index-refused", SDIST, "9" * 64),
    ]
    files = {row["filename"]: (row["sha256"], row["record_id"] is None) for row in rows(before, "files")}
    assert files == {WHEEL: ("1" * 64, False), SDIST: ("9" * 64, True)}
    assert rows(before, "claims") == []


async def test_what_was_uploaded_to_the_target_meanwhile_is_no_alarm(
    before: Running, recording: RecordingIndex
) -> None:
    """By somebody who may: it was judged."""
    index, key = held(recording), await before.key("upload")
    package = wheel("acme-core", "1.0", filename="acme_core-1.0-py2-none-any.whl")
    raw = post(body_of(parts_of(package)), key=key, target=f"/{STABLE}/")
    found: list[Answer] = []

    def answer(seen: Seen) -> Script:
        if seen.method == "PUSH":
            found.append(exchange(before.address, raw))
            index.brought = [link(package.filename, hashes={"sha256": hashlib.sha256(package.content).hexdigest()})]
        return index(seen)

    recording.answer = answer
    assert (await before.ask(pushing(await before.key()))).status == 200
    assert [each.status for each in found] == [200]


async def test_who_and_how(before: Running, recording: RecordingIndex) -> None:
    """A live key, one small body of JSON, by POST to this very path; a key in the form goes nowhere."""
    key = await before.key()
    large = json.dumps(FIELDS).encode() + b" " * BODY_LIMIT
    for raw, status in (
        (pushing(None), 401),
        (pushing("apx_0123456789abc_x"), 401),
        (pushing(None, None, ("Authorization", basic("alice", "her own"))), 401),
        (pushing(key, large), 413),
        (pushing(key, media="text/plain"), 400),
        (pushing(key, media="application/x-www-form-urlencoded"), 400),
        (pushing(key, name=key), 400),
        (pushing(key).replace(b"/-/push", b"/-/push/"), 403),
        (pushing(key).replace(b"/-/push", b"/-/push?x"), 403),
        (get("/-/push", [("Authorization", basic("__token__", key))]), 403),
    ):
        answer = await before.ask(raw)
        assert (answer.status, key in answer.text) == (status, False), (raw, answer)
    recording.assert_saw_nothing()


async def test_a_pypiserver_has_nowhere_to_push_to(running: Running, recording: RecordingIndex) -> None:
    """One index, one sentence."""
    answer = await running.ask(pushing(await running.key()))
    assert (answer.status, "a pypiserver has one index" in answer.reason) == (400, True), answer
    recording.assert_saw_nothing()


async def test_a_new_project_takes_the_right_to_make_it(before: Running, recording: RecordingIndex) -> None:
    """The target is asked whether it has the project, and nothing is pushed."""
    answer = await before.ask(pushing(await before.key("old")))
    assert (answer.status, "may not create the project 'acme-core'" in answer.reason) == (403, True), answer
    held(recording).target = [link("acme_core-0.9.tar.gz", "8")]
    assert (await before.ask(pushing(await before.key("old")))).status == 200


WHEELS = {"packages": [{"match": "*", "indexes": [STABLE], "filetypes": ["wheel"]}, {"match": "*"}]}


@pytest.mark.parametrize("before", [WHEELS], indirect=True, ids=["wheels"])
async def test_every_file_is_judged_before_any_is_claimed(before: Running, recording: RecordingIndex) -> None:
    """By the rule of the target: one sdist refuses the release, and that is all that the record has."""
    answer = await before.ask(pushing(await before.key()))
    assert (answer.status, "is of the type sdist: packages[0]" in answer.reason) == (403, True), answer
    assert pushes(recording) == []
    assert [(row["outcome"], row["code"]) for row in rows(before)] == [("denied", "filetype")]


OVERWRITE = [{"packages": [{"match": "*", "overwrite": word}]} for word in ("never", "allow")]


@pytest.mark.parametrize("before", OVERWRITE, indirect=True, ids=["never", "allow"])
async def test_other_bytes_in_the_target(before: Running, recording: RecordingIndex) -> None:
    """They stay, unless the rule lets them be replaced; what was claimed by then is given back."""
    held(recording).target = [link(SDIST, "9")]
    may = before.app.parts.config.policy.packages[0].overwrite == "allow"
    answer = await before.ask(pushing(await before.key()))
    assert answer.status == (200 if may else 400), answer
    assert len(pushes(recording)) == may
    assert rows(before, "claims") == []
    assert [row["used"] for row in rows(before, "keys")] == [2 if may else 0]
    if not may:
        assert "with other bytes" in answer.reason
        assert [row["outcome"] for row in rows(before)] == ["failed", "denied"]


@pytest.mark.parametrize("before", OVERWRITE[1:], indirect=True, ids=["allow"])
async def test_another_spelling_is_not_put_beside_it(before: Running, recording: RecordingIndex) -> None:
    """Also where files may be overwritten."""
    held(recording).target = [link("Acme-Core-1.0.tar.gz", "9")]
    answer = await before.ask(pushing(await before.key()))
    assert (answer.status, "Acme-Core-1.0.tar.gz" in answer.reason, pushes(recording)) == (400, True, []), answer


@pytest.mark.parametrize("lost", [Hang(), Raw(b"", reset=True), Reply(500)], ids=["silence", "a reset", "a failure"])
async def test_an_unknown_end_is_settled_by_whoever_comes_next(
    before: Running, recording: RecordingIndex, lost: Script
) -> None:
    """devpi may still be at it: the names stay claimed, and the next one asks the index what became of them."""
    index = held(recording)
    index.answer, index.copies = lost, ()
    key = await before.key()
    first = await before.ask(pushing(key))
    assert first.status in {502, 504}
    assert [row["outcome"] for row in rows(before)] == ["unknown"] * 2
    claimed = sorted(row["index_name"] for row in rows(before, "claims"))
    assert claimed == [f"{DEV} acme-core 1", STABLE, STABLE], "and the release stays as it is"
    index.target = [link(WHEEL, "1")]  # it came that far afterwards
    index.answer, index.copies = Reply(200), (SDIST,)
    assert (await before.ask(pushing(key))).status == 200
    assert sorted(row["outcome"] for row in rows(before)) == ["failed", "stored", "stored"]
    assert rows(before, "claims") == []


async def test_a_key_that_ended_meanwhile_pushes_nothing(before: Running, recording: RecordingIndex) -> None:
    """It is looked at once more in the store, when the index has been asked what there is."""
    key, index, loop = await before.key(), held(recording), asyncio.get_running_loop()
    [row] = rows(before, "keys")

    def answer(seen: Seen) -> Script:
        if seen.method == "GET":
            revoked = before.app.parts.store.revoke(row["id"], before.app.parts.now())
            asyncio.run_coroutine_threadsafe(revoked, loop).result(5)
        return index(seen)

    recording.answer = answer
    answered: Answer = await before.ask(pushing(key))
    assert answered.status == 401
    assert pushes(recording) == []


async def test_a_store_that_fails_at_the_end_changes_no_answer(before: Running, recording: RecordingIndex) -> None:
    """devpi has pushed, and its answer is the client's: to say otherwise would have it done again."""
    key, index, loop = await before.key(), held(recording), asyncio.get_running_loop()

    def answer(seen: Seen) -> Script:
        if seen.method == "PUSH":
            asyncio.run_coroutine_threadsafe(before.app.parts.store.close(), loop).result(5)
        return index(seen)

    recording.answer = answer
    assert (await before.ask(pushing(key))).status == 200
