"""Every way to say no to an upload before the index sees it: its status, its sentence, its line on record, and silence.

One proxy, one config in which each rule refuses something. What the socket says about malformed requests is
test_hostile's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene, assert_is_one_sentence, recorded, secret_of
from tests.peers import wire
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, sdist, wheel
from tests.peers.proxy import Key
from tests.peers.recording import Reply


def _policy(packages: str, *, create: bool = True, **more: Any) -> dict[str, Any]:
    return {"allow": [{"actions": ["upload"], "packages": [packages], "create": create}], **more}


KEY_POLICIES = {
    "release": _policy("acme-*"),
    "update": _policy("acme-*", create=False),
    "wide": _policy("*"),
    "elsewhere": _policy("acme-*", networks=["192.0.2.0/24"]),
    "once": _policy("acme-*", uses=1),
    "slow": _policy("acme-*", rate="1/hour"),
    "reader": {"allow": [{"actions": ["read"], "packages": ["*"]}]},
}
PACKAGES = [
    {"match": "acme-wheels", "filetypes": ["wheel"]},
    {"match": "acme-small", "max_size": "1KiB"},
    {"match": "acme-one", "versions": ["1.*"]},
    {"match": "acme-*"},
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is uploaded with a key of `policy`, and what is to be heard."""

    case: str
    code: str
    status: int
    policy: str
    package: Package
    words: tuple[str, ...]
    options: tuple[str, ...] = ()


REFUSALS = [
    Refusal("another package", "not-allowed", 403, "release", wheel("victim"), ("may not upload", "'victim'", "upload+create:acme-*")),
    Refusal("a name that only starts alike", "not-allowed", 403, "release", wheel("acme"), ("may not upload", "'acme'")),
    Refusal("outside the key's own grants", "not-allowed", 403, "release", wheel("acme-web"), ("acme-web", "upload:acme-core"),
            ("--allow", "upload:acme-core")),
    Refusal("a key that may only read", "not-allowed", 403, "reader", wheel("acme-core"), ("upload",)),
    Refusal("no rule for the package", "no-rule", 403, "wide", wheel("victim"), ("victim",)),
    Refusal("outside the policy's networks", "network", 403, "elsewhere", wheel("acme-core"), ("127.0.0.1", "192.0.2.0/24")),
    Refusal("outside the key's networks", "network", 403, "release", wheel("acme-core"), ("127.0.0.1", "198.51.100.7"),
            ("--network", "198.51.100.7")),
    Refusal("a project that is not there", "create", 403, "update", wheel("acme-new"), ("acme-new", "create")),
    Refusal("create in the policy, not in the key", "create", 403, "release", wheel("acme-new"), ("acme-new", "create"),
            ("--allow", "upload:acme-new")),
    Refusal("an sdist where wheels are due", "filetype", 403, "release", sdist("acme-wheels"), ("sdist", "wheel")),
    Refusal("a version outside the pattern", "version", 403, "release", wheel("acme-one", "2.0"), ("2.0", "1.*")),
    Refusal("a file over the rule's size", "too-large", 413, "release", wheel("acme-small"), ("takes at most 1 KiB", "acme-small")),
]  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with recorded(tmp_path_factory.mktemp("refusals"), key_policies=KEY_POLICIES, packages=PACKAGES) as made:
        yield made


@pytest.fixture(autouse=True)
def _forget(scene: Scene) -> None:
    scene.index.forget()


def assert_refused(scene: Scene, answer: wire.Answer, status: int, *words: str) -> None:
    """The status, one sentence with these words, and an index that has not been sent a file."""
    assert answer.status == status, answer
    assert_is_one_sentence(answer)
    for word in words:
        assert word in answer.reason, answer.reason
    assert scene.index.uploads == []


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: r.case)
def test_a_rule_refuses(scene: Scene, refusal: Refusal) -> None:
    """The sentence says what, which and what is allowed; it is on record under its code; the index saw nothing."""
    key = scene.proxy.create_key(*refusal.options, policy=refusal.policy)
    mark, recorded_before = len(scene.proxy.log), len(scene.proxy.rows("record"))
    answer = scene.upload(refusal.package, key)
    assert_refused(scene, answer, refusal.status, *refusal.words)
    if refusal.code != "create":  # whether a project is there is a question to the index
        scene.index.assert_saw_nothing()
    assert f"upload {refusal.code}" in scene.proxy.log[mark:]
    [row] = scene.proxy.rows("record")[recorded_before:]
    assert refusal.code in map(str, row.values()), row
    assert scene.files_of(refusal.package) == []
    assert secret_of(key) not in repr(answer) + scene.proxy.log[mark:]


def test_the_key_may_upload_what_it_may(scene: Scene) -> None:
    """The same keys and rules let the right upload through (control)."""
    accepted = [("release", wheel("acme-wheels")), ("wide", wheel("acme-core")), ("release", wheel("acme-one", "1.5"))]
    for policy, package in accepted:
        answer = scene.upload(package, scene.proxy.create_key(policy=policy))
        assert answer.status == 200, answer
    assert len(scene.index.uploads) == len(accepted)


def test_a_project_that_the_index_knows_needs_no_create(scene: Scene) -> None:
    """Who may not create may still upload to what is there; the index is asked, and its page is believed."""
    page = b'<html><body><a href="../../packages/acme_old-0.9.tar.gz#sha256=00">acme_old-0.9.tar.gz</a></body></html>'
    scene.index.answer = lambda seen: Reply(200, page if seen.method == "GET" else b"")
    answer = scene.upload(wheel("acme-old"), scene.proxy.create_key(policy="update"))
    assert answer.status == 200, answer
    assert len(scene.index.uploads) == 1


def test_a_project_that_the_index_redirects_is_not_there(scene: Scene) -> None:
    """pypiserver's default sends unknown projects to PyPI: that is no project of ours, and is not followed."""
    scene.index.answer = lambda _: Reply(303, headers=(("Location", scene.index.url + "elsewhere/"),))
    answer = scene.upload(wheel("acme-nowhere"), scene.proxy.create_key(policy="update"))
    assert_refused(scene, answer, 403, "acme-nowhere")
    assert "/elsewhere/" not in [seen.target for seen in scene.index.requests]


def test_a_key_for_one_upload_is_good_for_one(scene: Scene) -> None:
    """The second file is refused; the first file again is not a second one."""
    key = scene.proxy.create_key(policy="once")
    assert scene.upload(wheel("acme-once"), key).status == 200
    scene.index.forget()
    assert_refused(scene, scene.upload(wheel("acme-once", "2.0"), key), 403, key.id, "1 upload")
    scene.index.assert_saw_nothing()


def test_a_key_that_uploads_too_fast_is_told_when_to_come_back(scene: Scene) -> None:
    """429 with Retry-After, and the policy's rate is counted over its keys' uploads, not over attempts."""
    key = scene.proxy.create_key(policy="slow")
    assert scene.upload(wheel("acme-slow"), key).status == 200
    scene.index.forget()
    answer = scene.upload(wheel("acme-slow", "2.0"), key)
    assert_refused(scene, answer, 429, key.id)
    assert 1 <= int(answer.header("retry-after") or "0") <= 3600
    scene.index.assert_saw_nothing()


def test_a_missing_credential_is_asked_for(scene: Scene) -> None:
    """401 with the challenge that pip's keyring and uv wait for."""
    answer = scene.exchange(post(body_of(parts_of(wheel("acme-core"))), key=None))
    assert_refused(scene, answer, 401, "API key")
    assert answer.header("www-authenticate") == 'Basic realm="pypi"'
    scene.index.assert_saw_nothing()


def test_all_dead_keys_get_the_same_answer(scene: Scene) -> None:
    """Made up, misspelt, revoked, paused, another secret: nobody can tell them apart from outside."""
    revoked, paused, live = (scene.proxy.create_key() for _ in range(3))
    assert scene.proxy.run("key", "revoke", revoked.id).code == 0
    assert scene.proxy.run("key", "pause", paused.id).code == 0
    swapped = live.text[:-1] + ("0" if live.text[-1] != "0" else "1")
    dead = [revoked, paused, Key("", swapped), Key("", "apx_made_up"), Key("", "nothing at all")]
    answers = [scene.upload(wheel("acme-core"), key) for key in dead]
    assert {answer.status for answer in answers} == {401}
    keys = {(a.status, a.reason, a.body, a.header("www-authenticate")) for a in answers[:4]}
    assert len(keys) == 1
    scene.index.assert_saw_nothing()


def test_guessing_is_throttled_and_a_known_key_is_not(tmp_path: Path) -> None:
    """After some failures the address waits; a key in use goes on from the same address."""
    with recorded(tmp_path, throttle={"failures": 5, "window": "1h"}) as scene:
        assert scene.upload(wheel("acme-known")).status == 200
        scene.index.forget()
        guess = Key("", scene.key.text[:-1] + ("0" if scene.key.text[-1] != "0" else "1"))
        answers = [scene.upload(wheel("acme-core"), guess) for _ in range(6)]
        assert [answer.status for answer in answers] == [401] * 5 + [429]
        assert int(answers[-1].header("retry-after") or "0") >= 1
        scene.index.assert_saw_nothing()
        assert scene.upload(wheel("acme-known", "2.0")).status == 200
