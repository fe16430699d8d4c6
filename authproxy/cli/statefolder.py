"""Whether `state_directory` can be one: `serve` and `doctor` say the same of it. Nothing is made here."""

import os
from pathlib import Path


def trouble_with(folder: Path) -> tuple[str, str] | None:
    """What keeps it from being made or used, and what to do; None where the folder, or the one above it, is there."""
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not there.is_dir():
        what = "and that is" if there == folder else f"and {there} is"
        return f"state_directory is {folder}, {what} no folder", f"name a folder there, or move {there} away"
    if there not in (folder, folder.parent):
        return (
            f"state_directory is {folder}, and there is neither that folder nor the one above it",
            f"make it: mkdir -p -m 700 {folder}",
        )
    return None
