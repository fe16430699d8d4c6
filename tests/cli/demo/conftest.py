"""The clients at the versions that the README names: pdm stands in an environment of its own."""

from tests.e2e.conftest import tools

__all__ = ["tools"]
