"""Which program asks the keyring, and what its key may do."""

import time

import pytest

from authproxy.client.asker import actions_of, asking, fresh
from authproxy.client.errors import ClientError
from authproxy.domain.caveats import Actions, Lifetime, Projects
from tests.peers.derived import caveats_of


@pytest.mark.parametrize(
    ("argv", "actions"),
    [
        pytest.param("twine upload dist/a", "upload", id="twine"),
        pytest.param("python -m pip install acme", "read", id="pip"),
        pytest.param("python /x/pip/__pip-runner__.py install acme", "read", id="pip's builds"),
        pytest.param("uv pip install acme", "read", id="uv pip"),
        pytest.param("/usr/bin/uv sync", "read", id="uv sync"),
        pytest.param("uv publish", "upload", id="uv publish"),
        pytest.param("python /venv/bin/hatch publish", "upload", id="hatch publish"),
        pytest.param("pdm publish --no-build", "upload", id="pdm publish"),
        pytest.param("pdm add acme", "read", id="pdm add"),
        pytest.param("sh -c keyring", "read upload", id="a program that we do not know"),
        pytest.param("", "read upload", id="nothing can be told"),
    ],
)
def test_what_a_program_is_about_to_do(argv: str, actions: str) -> None:
    """Less than both wherever it can be told."""
    assert actions_of(argv.split()) == frozenset(actions.split())


def test_this_program_asks_for_itself() -> None:
    """Within a program its own command line counts, and only within `keyring` that of its parent."""
    assert any("python" in word for word in asking())


def test_a_key_for_a_project_is_for_uploads_of_it(key: str) -> None:
    """flit names the project; the key is good for ten minutes from now."""
    life, projects, actions = caveats_of(fresh(key, "Acme.Core"), key)
    assert isinstance(life, Lifetime)
    assert life.expires - life.not_before == 600
    assert abs(life.not_before - time.time()) < 10
    assert (projects, actions) == (Projects(frozenset({"acme-core"})), Actions(frozenset({"upload"})))
    with pytest.raises(ClientError, match="is no project name"):
        fresh(key, "a b")
