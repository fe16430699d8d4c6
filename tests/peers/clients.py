"""The real clients: twine, uv and pip, each as its user runs it, in an environment that nothing of the user's reaches."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.peers.programs import clean_environment

PATIENCE = 100.0  # seconds; the slowest of them, pip into a fresh environment, takes about five


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended, and all it said (stdout and stderr as the user sees them, together)."""

    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Client:
    """A person's machine: a home of its own under `home`."""

    home: Path

    def run(self, argv: Sequence[str | Path], **env: str) -> Ran:
        finished = subprocess.run(
            [str(a) for a in argv],
            env=clean_environment(self.home, **env),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        return Ran(finished.returncode, finished.stdout.decode("utf-8", "replace"))

    def twine(self, url: str, key: str | None, *files: Path, options: Sequence[str] = ()) -> Ran:
        """`twine upload`; the key comes by the environment, as in CI. No key: twine has nothing to ask for it."""
        env = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": key} if key else {}
        argv = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--verbose"]
        return self.run([*argv, "--repository-url", url, *options, *files], **env)

    def uv_publish(self, url: str, key: str | None, *files: Path, options: Sequence[str] = ()) -> Ran:
        """`uv publish` without looking for a trusted publisher."""
        env = {"UV_PUBLISH_TOKEN": key} if key else {}
        argv = [self._uv(), "publish", "--trusted-publishing", "never", "--publish-url", url]
        return self.run([*argv, *options, *files], **env)

    def environment(self, name: str) -> Path:
        """A new virtual environment without pip in it; its python."""
        made = self.run([self._uv(), "venv", "--quiet", "--no-config", "--python", sys.executable, self.home / name])
        assert made.code == 0, made.said
        return self.home / name / "bin" / "python"

    def pip_install(self, python: Path, url: str, *what: str, options: Sequence[str] = ()) -> Ran:
        argv = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "--isolated",
            "install",
            "--no-input",
            "--no-cache-dir",
        ]
        return self.run([*argv, "--no-deps", "--disable-pip-version-check", "-i", simple(url), *options, *what])

    def pip_download(self, into: Path, url: str, *what: str, options: Sequence[str] = ()) -> Ran:
        argv = [sys.executable, "-m", "pip", "--isolated", "download", "--no-input", "--no-cache-dir", "--no-deps"]
        return self.run([*argv, "--disable-pip-version-check", "-d", into, "-i", simple(url), *options, *what])

    def uv_install(self, python: Path, url: str, *what: str, options: Sequence[str] = ()) -> Ran:
        argv = [self._uv(), "pip", "install", "--no-config", "--no-cache", "--no-deps", "--python", python]
        return self.run([*argv, "--index-url", simple(url), *options, *what])

    @staticmethod
    def _uv() -> Path:
        return Path(sys.executable).parent / "uv"


def simple(url: str) -> str:
    """Where pip and uv look: the upload URL's `/simple/`."""
    return url.rstrip("/") + "/simple/"


def with_credentials(url: str, username: str, password: str) -> str:
    """The URL with the credentials in it, as people write it into pip's settings."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{username}:{password}@{parts.netloc}").geturl()
