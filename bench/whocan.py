"""`policy who-can` for the row `record`: the command itself, from opening the store to its last line, for 1,000 keys.

It reads keys and no row of the record; so the same keys stand beside a long record and a short one, and the answers are
compared. What the interpreter takes to start is the same for both and is left out: it would hide a difference.
"""

import asyncio
import io
import time
from collections.abc import Mapping
from pathlib import Path

from authproxy.cli.output import Output
from authproxy.cli.policyquestion import Question
from authproxy.cli.policywhocan import _list
from authproxy.config import Config, load
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyId, KeyRecord, Secret
from authproxy.domain.names import ProjectName
from authproxy.store import Store
from bench.run import Run

KEYS = 1000
POLICY = "release"
CREATED, EXPIRES = 1_700_000_000, 4_000_000_000
ASKED = Question(Action.UPLOAD, ProjectName("acme-1"), None, None, None, None, None, None, None)
CONFIG = f"""listen: 127.0.0.1:0
public_url: http://127.0.0.1/
backend: {{flavour: pypiserver, url: "http://127.0.0.1:9/"}}
store: "sqlite:///%s"
key_policies: {{{POLICY}: {{allow: [{{actions: [upload], packages: ["acme-*"]}}]}}}}
packages: [{{match: "*", require: key}}]
"""


async def whocan(run: Run, stores: Mapping[int, Store], paths: Mapping[int, Path]) -> dict[int, list[float]]:
    """Milliseconds of a question, by the length of the record, one for each round."""
    taken: dict[int, list[float]] = {size: [] for size in paths}
    said: set[str] = set()
    configs = {size: await _prepared(run, stores[size], size, path) for size, path in paths.items()}
    for number in range(run.rounds):
        for size in run.turns(tuple(paths), number):
            stream = io.StringIO()
            start = time.perf_counter()
            assert await _list(configs[size], Output(json=True, stream=stream), ASKED, every=False)
            taken[size].append((time.perf_counter() - start) * 1000)
            said.add(stream.getvalue())
    assert len(said) == 1
    assert said.pop().count('"kind": "key"') == KEYS
    return taken


async def _prepared(run: Run, store: Store, size: int, path: Path) -> Config:
    """Write a configuration for a store, and put the keys into it where no earlier run did."""
    for number in range(KEYS):
        if await store.key(_id(number)) is None:
            await store.add_key(_key(number))
    file = run.scratch / f"who-can-{size}.yaml"
    file.write_text(CONFIG % path)
    return await asyncio.to_thread(load, file, secrets=False)


def _id(number: int) -> KeyId:
    return KeyId(f"Who{number:09}")


def _key(number: int) -> KeyRecord:
    return KeyRecord(
        id=_id(number),
        owner=f"ci-{number}@acme",
        note="",
        policy=POLICY,
        grants=(),
        networks=(),
        uses=None,
        used=0,
        created=CREATED + number,
        expires=EXPIRES,
        paused=False,
        revoked=None,
        secrets=(Secret("0", "$argon2id$", CREATED, None),),
    )
