"""Who asks for what: what a principal is called, and that both sides of a question stay as they were asked."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from ipaddress import ip_address

import pytest

from authproxy.domain.access import Access, Outcome, Principal, PrincipalKind
from authproxy.domain.caveats import Lifetime
from authproxy.domain.grants import Action

SHORT = Lifetime(1790000000, 1789999700)
HERE = ip_address("192.0.2.1")


@pytest.mark.parametrize(
    ("principal", "name"),
    [
        pytest.param(Principal(PrincipalKind.ANONYMOUS, HERE), "anonymous", id="nobody in particular"),
        pytest.param(Principal(PrincipalKind.KEY, HERE, public_id="Kb3Yw9ZtQx1f0"), "key Kb3Yw9ZtQx1f0", id="a key, by its public id"),
        pytest.param(Principal(PrincipalKind.KEY, HERE, public_id="Kb3Yw9ZtQx1f0", caveats=(SHORT,), derived="p0HcUu3kZ1WbqYtr"), "derived key Kb3Yw9ZtQx1f0.p0HcUu3kZ1WbqYtr", id="a derived key, by its own name behind that"),
        pytest.param(Principal(PrincipalKind.PASSWORD, HERE, user="al'ice"), "user 'al?ice'", id="a user of the index, by a name that ends no quote"),
    ],
)  # fmt: skip
def test_what_a_principal_is_called(principal: Principal, name: str) -> None:
    """Logs, the record and sentences name a key by its public id."""
    assert principal.name == name


def test_what_the_record_keeps_of_a_derived_key() -> None:
    """Its name and its caveats, so that anybody can see years later what it was good for; of a key itself nothing."""
    who = Principal(PrincipalKind.KEY, HERE, public_id="Kb3Yw9ZtQx1f0", caveats=(SHORT,), derived="p0HcUu3kZ1WbqYtr")
    assert who.derivation == '{"name":"p0HcUu3kZ1WbqYtr","caveats":[[0,1790000000,1789999700]]}'
    assert replace(who, caveats=None, derived=None).derivation is None


@pytest.mark.parametrize(
    "asked", [Principal(PrincipalKind.ANONYMOUS, HERE), Access(Action.READ, "pypiserver", None)], ids=["who", "what"]
)
def test_neither_side_of_a_question_can_be_changed(asked: Principal | Access) -> None:
    """What was decided on is what was asked."""
    assert is_dataclass(asked)
    for field in fields(asked):
        with pytest.raises(FrozenInstanceError):
            setattr(asked, field.name, None)


def test_what_becomes_of_an_upload_is_on_record_in_these_words() -> None:
    """The record in the store keeps them: words may be added, none may change."""
    assert {"stored", "refused", "failed", "unknown"} <= set(Outcome)
