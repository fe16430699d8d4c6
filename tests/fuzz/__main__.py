"""`python -m tests.fuzz [--seconds N] [TARGET ...]`: each target for its share of the time; exit code 1 for a crash."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzzed, is_installed
from tests.fuzz.targets import TARGETS

KEPT = Path(__file__).parents[2] / ".hypothesis" / "fuzz"  # what reached something new, from run to run


def main() -> int:
    """Fuzz; say what came of it."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all of them together (default: 60)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    wanted = parser.parse_args()
    names = wanted.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"there is no target {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    if not is_installed():
        print("not fuzzed: there is no wheel of atheris for this machine")
        return 0
    return sum(_crashes(name, max(1, wanted.seconds // len(names))) for name in names) and 1


def _crashes(name: str, seconds: int) -> int:
    """Run one; tell its crashes with the inputs that make them, and how many there are."""
    with tempfile.TemporaryDirectory() as scratch:
        ran = fuzzed(name, seconds, KEPT / name, Path(scratch))
    print(f"{name}: {ran.summary}", flush=True)
    if ran.code:
        print(ran.said[-3000:], *(f"the input: {crash!r}" for crash in ran.crashes), sep="\n", file=sys.stderr)
    return 1 if ran.code else 0


if __name__ == "__main__":
    sys.exit(main())
