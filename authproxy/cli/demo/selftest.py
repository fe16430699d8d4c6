"""`authproxy demo --self-test`: what the demo shows, done with the real clients, one line a step.

A step is a sentence and a function that raises `StepFailed`. They run in their order and the first failure ends the
test: the later ones stand on the earlier.
"""

import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from authproxy.cli.demo.children import ChildFailed
from authproxy.cli.demo.clients import (
    CLIENT_SECONDS,
    Command,
    Outcome,
    clean_environment,
    pip_install,
    twine_upload,
    uv_install,
    uv_publish,
)
from authproxy.cli.demo.installation import CORE, WEB, Installation
from authproxy.cli.logs import redact
from authproxy.cli.output import say, styled


class StepFailed(Exception):
    """A step did not end as it must. The text says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the steps work with. `home` is a directory for whatever the clients leave behind."""

    made: Installation
    home: Path
    core: str  # a key that may upload acme-core and nothing else
    core_id: str
    web: str  # a key that may upload acme-web and nothing else

    def index_files(self) -> set[str]:
        """The names of the files that the index has."""
        return set(self.made.held())


def succeeds(command: Command, stage: Stage) -> Outcome:
    """The client ends with status 0."""
    outcome = command.run(stage.home)
    if outcome.status != 0:
        raise StepFailed(f"{command.client} ended with status {outcome.status} and said:\n{outcome.output}")
    return outcome


def refused(command: Command, stage: Stage, *sentences: str) -> None:
    """The client fails, shows each of the sentences to its user, and the index has not changed."""
    before = stage.index_files()
    outcome = command.run(stage.home)
    if outcome.status == 0:
        raise StepFailed(f"{command.client} ended with status 0: the upload was not refused")
    for sentence in sentences:
        if sentence not in outcome.words:
            raise StepFailed(f"{command.client} does not show {sentence!r}, it said:\n{outcome.output}")
    if arrived := stage.index_files() - before:
        raise StepFailed(f"the upload was refused and yet the index has {', '.join(sorted(arrived))}")


def _index_wants_its_password(stage: Stage) -> None:
    refusal = stage.made.upstream.turned_away
    refused(twine_upload(stage.made.index_url, stage.core, stage.made.files(CORE, "1.0")), stage, refusal)


def _twine_uploads(stage: Stage) -> None:
    succeeds(twine_upload(stage.made.url, stage.core, stage.made.files(CORE, "1.0")), stage)


def _uv_publishes(stage: Stage) -> None:
    succeeds(uv_publish(stage.made.url, stage.core, stage.made.files(CORE, "1.1")), stage)


def same_bytes(stage: Stage) -> None:
    """What the index has is what was sent."""
    held = stage.made.held()
    for version in ("1.0", "1.1"):
        for sent in stage.made.built(CORE, version):
            stored = held.get(sent.name)
            if stored is None:
                raise StepFailed(f"the index does not have {sent.name}")
            if stored.read_bytes() != sent.read_bytes():
                raise StepFailed(f"the index has other bytes for {sent.name} than were sent")


def _installs(install: Callable[[str, str, Path], Command], version: str, name: str) -> Callable[[Stage], None]:
    def step(stage: Stage) -> None:
        target = stage.home / name
        succeeds(install(stage.made.pages, f"{CORE}=={version}", target), stage)
        wheel, _ = stage.made.built(CORE, version)
        module = f"{CORE.replace('-', '_')}/__init__.py"
        with zipfile.ZipFile(wheel) as sent:
            if (target / module).read_bytes() != sent.read(module):
                raise StepFailed(f"{module} was installed, but it is not what was uploaded")

    return step


def _from_sdist(install: Callable[[str, str, Path], Command]) -> Callable[[str, str, Path], Command]:
    def command(pages: str, requirement: str, target: Path) -> Command:
        plain = install(pages, requirement, target)
        return Command(plain.client, (*plain.arguments, "--no-binary", CORE), plain.environment, plain.quiet)

    return command


def _twine_sees_the_refusal(stage: Stage) -> None:
    command = twine_upload(stage.made.url, stage.core, stage.made.files(WEB, "1.0"))
    refused(command, stage, stage.core_id, f"may not upload '{WEB}'", CORE)


def _uv_sees_the_refusal(stage: Stage) -> None:
    command = uv_publish(stage.made.url, stage.core, stage.made.files(WEB, "1.0"))
    refused(command, stage, stage.core_id, f"may not upload '{WEB}'", CORE)


def _other_key_may(stage: Stage) -> None:
    succeeds(twine_upload(stage.made.url, stage.web, stage.made.files(WEB, "1.0")), stage)


def _same_file_again(stage: Stage) -> None:
    before = stage.index_files()
    succeeds(twine_upload(stage.made.url, stage.core, stage.made.files(CORE, "1.0")), stage)
    if stage.index_files() != before:
        raise StepFailed("the index has other files than before")


def _revoked(stage: Stage) -> None:
    revoke = ["key", "revoke", "--config", str(stage.made.config), stage.core_id]
    ended = subprocess.run(  # noqa: S603 - our own interpreter, arguments as a list
        [sys.executable, "-m", "authproxy", *revoke],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment(stage.home),
        timeout=CLIENT_SECONDS,
        check=False,
    )
    if ended.returncode != 0:
        raise StepFailed(f"authproxy key revoke ended with status {ended.returncode}: {ended.stdout.decode()}")
    refused(twine_upload(stage.made.url, stage.core, stage.made.files(CORE, "1.2")), stage, "401")


Steps = Sequence[tuple[str, Callable[[Stage], None]]]

STEPS: Steps = (
    ("the index itself takes nothing without its shared password", _index_wants_its_password),
    (f"twine uploads a wheel and an sdist of {CORE} 1.0", _twine_uploads),
    (f"uv publishes a wheel and an sdist of {CORE} 1.1", _uv_publishes),
    ("the bytes in the index are the bytes that were sent", same_bytes),
    (f"pip installs {CORE} 1.0 back, from the wheel", _installs(pip_install, "1.0", "pip-wheel")),
    (f"uv installs {CORE} 1.1 back, from the wheel", _installs(uv_install, "1.1", "uv-wheel")),
    (f"pip builds and installs {CORE} 1.1 from the sdist", _installs(_from_sdist(pip_install), "1.1", "pip-sdist")),
    (f"uv builds and installs {CORE} 1.0 from the sdist", _installs(_from_sdist(uv_install), "1.0", "uv-sdist")),
    (f"twine shows why the key of {CORE} may not upload {WEB}", _twine_sees_the_refusal),
    (f"uv shows why the key of {CORE} may not upload {WEB}", _uv_sees_the_refusal),
    (f"the key of {WEB} may", _other_key_may),
    ("the same files once more do no harm", _same_file_again),
    (f"the key of {CORE} is revoked, and refused at once", _revoked),
)


def run(stage: Stage, dead: Callable[[], str | None], steps: Steps = STEPS) -> bool:
    """Run every step and say how each ended. `dead` tells of a server that has ended, which explains all else."""
    began = time.monotonic()
    for number, (sentence, step) in enumerate(steps, start=1):
        started = time.monotonic()
        try:
            step(stage)
        except (StepFailed, ChildFailed, OSError, subprocess.SubprocessError) as failure:
            _line("✗", "red", sentence)
            say(redact(f"step {number} of {len(steps)} failed: {dead() or failure}"))
            return False
        _line("✓", "green", f"{sentence}  ({time.monotonic() - started:.1f} s)")
    print(f"all {len(steps)} steps passed in {time.monotonic() - began:.0f} s")  # noqa: T201
    return True


def _line(mark: str, colour: str, sentence: str) -> None:
    print(f"{styled(mark, sys.stdout, colour=colour, bold=True)} {sentence}", flush=True)  # noqa: T201
