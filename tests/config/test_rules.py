"""What a package rule and a key policy say where the file says nothing: the narrow thing, each time."""

import pytest
from pydantic import ValidationError

from authproxy.config.rules import GrantSection, KeyPolicySection, PackageSection, PasswordSection
from authproxy.domain.attestations import AttestationRule
from authproxy.domain.grants import Action
from authproxy.domain.passwords import Passwords
from authproxy.domain.rules import MetadataCheck, Overwrite, Requirement

GRANT = {"actions": ["upload"], "packages": ["acme-*"]}


def test_a_rule_is_strict_where_it_says_nothing() -> None:
    """A key, no overwriting, the archive's own name checked, and in force."""
    rule = PackageSection.model_validate({"match": "acme-*"})
    assert (rule.require, rule.overwrite, rule.metadata) == (Requirement.KEY, Overwrite.NEVER, MetadataCheck.VERIFY)
    assert (rule.attestations, rule.enforce) == (AttestationRule.ALLOW, True)


def test_a_grant_makes_no_project_unless_it_says_so() -> None:
    """And a key policy without a grant is none."""
    grant = GrantSection.model_validate(GRANT)
    assert (grant.actions, grant.create) == ([Action.UPLOAD], False)
    with pytest.raises(ValidationError, match="at least 1 item"):
        KeyPolicySection.model_validate({"allow": []})


def test_passwords_upload_nothing_unless_it_is_said() -> None:
    """The index's own passwords are what this proxy is there to end."""
    assert PasswordSection().uploads is Passwords.REFUSE


@pytest.mark.parametrize("section", [GrantSection, KeyPolicySection, PackageSection, PasswordSection])
def test_an_unknown_key_is_no_key(section: type[PackageSection]) -> None:
    """A misspelt restriction that nobody reads would restrict nothing."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        section.model_validate({"match": "acme-*", "allow": [GRANT], **GRANT, "overwrit": "never"})
