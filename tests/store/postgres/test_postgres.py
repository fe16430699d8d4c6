"""PostgreSQL is an extra: without it everything else works, and who asks for it is told."""

import subprocess
import sys

WITHOUT = """
import sys
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in ("asyncpg", "greenlet") else found(name, *more)
for name in ("asyncpg", "greenlet"):
    sys.modules[name] = None
import asyncio
from authproxy.store import Store, StoreError, migrate
import authproxy.cli.checkup.stored, authproxy.cli.moving
async def main():
    await migrate(sys.argv[1])
    await (await Store.open(sys.argv[1])).close()
    try:
        await Store.open("postgresql://u@localhost/d")
    except StoreError as exc:
        print(exc)
asyncio.run(main())
"""


def test_a_sqlite_store_needs_none_of_it(tmp_path) -> None:
    """Neither asyncpg nor greenlet; and a PostgreSQL store says what to install."""
    argv = [sys.executable, "-W", "error", "-c", WITHOUT, f"sqlite:///{tmp_path / 'a.db'}"]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "pip install '.[postgres]' in a checkout" in ran.stdout
