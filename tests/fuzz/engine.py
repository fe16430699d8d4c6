"""One target under libFuzzer, in a process of its own: `python -m tests.fuzz.engine TARGET FOLDER [libFuzzer's options]`.

What is imported below is instrumented, so that the fuzzer sees which branches an input reaches and keeps what reaches a
new one (https://github.com/google/atheris). FOLDER is where it keeps those, from one run to the next.
"""

import sys

import atheris

with atheris.instrument_imports(include=["authproxy", "multipart", "packaging", "tests.fuzz.targets"]):
    from tests.fuzz import targets


def main() -> None:
    """Run until the time is over (exit code 0) or something else than a refusal was raised."""
    name, *options = sys.argv[1:]
    target = targets.planted if name == "planted" else targets.TARGETS[name]
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
