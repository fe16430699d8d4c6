"""An upload with attestations through the proxy: on record with it, required where a rule says so, and passed on."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from authproxy.domain.attestations import Attestation
from authproxy.store.driver import sqlite3
from tests.peers.attested import BUILD, GITHUB, JOB, OWNER_ID, SOURCE, SOURCE_ID, TRIGGER, Sigstore
from tests.peers.forms import Part, body_of, parts_of, post
from tests.peers.issuer import LocalIssuer
from tests.peers.recording import RecordingIndex
from tests.peers.wire import Answer
from tests.web.published import CORE, Published, published, publisher, trusting

# The issuer of the certificate is GitHub's own, the one of the tokens here is a local one; so both are publishers.
SIGNER = {"kind": "github", "repository": "acme/core", "workflow": "release.yml", "packages": ["acme-core"]}


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


async def send(desk: Published, *attestations: dict[str, Any], raw: bytes | None = None) -> Answer:
    """An honest upload of acme-core by a minted key."""
    field = json.dumps(attestations).encode() if raw is None else raw
    more = [Part("attestations", field)] if attestations or raw is not None else []
    return await desk.running.ask(post(body_of([*more, *parts_of(CORE)]), key=await desk.key()))


def settings(issuer: LocalIssuer, root: Path | None = None, **rule: object) -> dict[str, object]:
    """Both publishers, and a rule for the package."""
    found: dict[str, Any] = trusting(issuer, publisher(issuer), SIGNER)
    if root is not None:
        found["trusted_publishing"] |= {"attestation_root": str(root)}
    return found | {"packages": [{"match": "acme-*", **rule}]}


async def test_attestations_go_on_record_and_to_the_index(
    tmp_path: Path, recording: RecordingIndex, issuer: LocalIssuer, sigstore: Sigstore
) -> None:
    """As they claim, since nobody has a root to verify them by; the chain holds them; the index gets the very field."""
    made = sigstore.attestation(CORE)
    async with published(tmp_path, recording.url, issuer, **settings(issuer)) as desk:
        assert (await send(desk, made)).status == 200
        [(text,)] = desk.rows("SELECT attestations FROM record WHERE project = 'acme-core'")
        [each] = json.loads(text)
        assert (each["publisher"], each["issuer"], each["verified"]) == (JOB, GITHUB, False)
        assert Attestation(**each)
        assert type(await desk.running.app.parts.store.record.verify()).__name__ == "Sound"
    [sent] = recording.uploads
    assert json.dumps([made]).encode() in sent.body


async def test_they_are_verified_where_there_is_a_root(
    tmp_path: Path, recording: RecordingIndex, issuer: LocalIssuer, sigstore: Sigstore
) -> None:
    """A good one counts; one of another sigstore does not, and the index sees nothing of that upload."""
    root = sigstore.write_root(tmp_path / "trusted_root.json")
    more = settings(issuer, root, attestations="require")
    async with published(tmp_path, recording.url, issuer, **more) as desk:
        answer = await send(desk, Sigstore().attestation(CORE))
        assert (answer.status, "sigstore does not verify it" in answer.text) == (403, True)
        recording.assert_saw_nothing()
        assert (await send(desk, sigstore.attestation(CORE))).status == 200
        rows = desk.rows("SELECT code, attestations FROM record WHERE project = 'acme-core' ORDER BY id")
        assert rows[0] == ("attestation", None)
        assert json.loads(rows[1][1])[0]["verified"] is True


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(None, "and this has none", id="none"),
        pytest.param({"job": JOB.replace("acme/core", "evil/core")}, "and this has one of", id="another repository"),
        pytest.param({"job": JOB.replace("release", "other")}, "and this has one of", id="another workflow"),
        pytest.param({"issuer": "https://evil.test"}, "and this has one of", id="another issuer"),
        # A reusable workflow of ours that another repository calls: the name in the certificate is the one of ours.
        pytest.param(
            {
                "extensions": {
                    SOURCE: "https://github.com/evil/core",
                    SOURCE_ID: "666",
                    OWNER_ID: "13",
                    BUILD: "https://github.com/evil/core/.github/workflows/evil.yml@refs/heads/main",
                }
            },
            "for 'https://github.com/evil/core' (id '666', owner '13')",
            id="a workflow of ours that another repository called",
        ),
        pytest.param(
            {"extensions": {BUILD: "https://github.com/evil/core/.github/workflows/evil.yml@refs/heads/main"}},
            "started by 'https://github.com/evil/core/.github/workflows/evil.yml@refs/heads/main'",
            id="a run that another repository's workflow started",
        ),
        pytest.param(
            {"extensions": {TRIGGER: "pull_request_target"}}, "for a 'pull_request_target'", id="a stranger's proposal"
        ),
        pytest.param({"extensions": {SOURCE: None}}, "for no repository", id="of no repository"),
        pytest.param({"subject": []}, "statement about one file", id="another statement"),
    ],
)
async def test_what_does_not_count_is_refused_where_one_is_required(
    tmp_path: Path,
    recording: RecordingIndex,
    issuer: LocalIssuer,
    sigstore: Sigstore,
    changes: dict[str, Any] | None,
    words: str,
) -> None:
    """403 with what is wanted and what came; the index sees nothing."""
    root = sigstore.write_root(tmp_path / "trusted_root.json")
    more = settings(issuer, root, attestations="require")
    async with published(tmp_path, recording.url, issuer, **more) as desk:
        made = [] if changes is None else [sigstore.attestation(CORE, **changes)]
        answer = await send(desk, *made)
        assert (answer.status, words in answer.text) == (403, True), answer.text
        assert "requires an attestation of" in answer.text
    recording.assert_saw_nothing()


async def test_the_ids_of_first_use_count(
    tmp_path: Path, recording: RecordingIndex, issuer: LocalIssuer, sigstore: Sigstore
) -> None:
    """A repository that has the name now and another id signs for nobody."""
    root = sigstore.write_root(tmp_path / "trusted_root.json")
    async with published(tmp_path, recording.url, issuer, **settings(issuer, root, attestations="require")) as desk:
        pins = '{"repository_id": "74", "repository_owner_id": "65"}'
        with closing(sqlite3.connect(tmp_path / "authproxy.db")) as connection, connection:
            connection.execute("UPDATE pins SET claims = ? WHERE publisher = 'github acme/core release.yml'", (pins,))
        answer = await send(desk, sigstore.attestation(CORE, extensions={SOURCE_ID: "75"}))
        assert (answer.status, "(id '75', owner '65')" in answer.text) == (403, True), answer.text
        assert (await send(desk, sigstore.attestation(CORE))).status == 200


async def test_what_cannot_be_read_passes_where_none_is_required(
    tmp_path: Path, recording: RecordingIndex, issuer: LocalIssuer
) -> None:
    """As it did before anybody read it; there is nothing on record of it."""
    async with published(tmp_path, recording.url, issuer, **settings(issuer)) as desk:
        assert (await send(desk, raw=b'[{"version": 1}]')).status == 200
        assert desk.rows("SELECT attestations FROM record WHERE project = 'acme-core'") == [(None,)]
