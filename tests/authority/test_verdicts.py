"""What is answered to an operator shows no secret by itself."""

from authproxy.authority import Rotated, Verification
from authproxy.domain.keys import PublicId
from tests.domain.test_endings import KEY


def test_a_new_secret_has_no_repr() -> None:
    """It may pass through a traceback or a log, and stands in neither."""
    assert "hunter2" not in repr(Rotated(KEY, PublicId(KEY.id + "1"), "apx_hunter2"))


def test_a_key_without_a_problem_works() -> None:
    """No record is known of what is no key."""
    assert Verification("malformed").record is None
