"""docs/deploying.md as an operator works through it: the commands and the configuration of its section on Debian."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "deploying.md"


def _section() -> str:
    return PAGE.read_text(encoding="utf-8").partition("\n## Debian and systemd\n")[2].partition("\n## ")[0]


def configuration() -> str:
    """/etc/authproxy/authproxy.yaml."""
    [text] = re.findall(r"```yaml\n(.*?)```", _section(), re.DOTALL)
    return text


def commands() -> tuple[list[str], list[str]]:
    """What is typed before the configuration is written, and after it."""
    before, _, after = _section().partition("```yaml\n")
    return _typed(before), _typed(after)


def _typed(text: str) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
