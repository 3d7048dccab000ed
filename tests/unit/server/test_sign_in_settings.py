"""Settings of signing in: all of them or none, and groups that give a role."""

import pytest

from server.roles import Role
from server.settings import Settings, SettingsError
from tests.unit.server.conftest import API
from tests.unit.server.people import CLIENT, ISSUER, SIGNER

BASE = {
    "INTERLOCK_API_URL": API,
    "AWS_REGION": "eu-west-1",
    "INTERLOCK_INSTANCE_ID": "i-1",
}


SIGN_IN = {
    "INTERLOCK_SIGNER": SIGNER,
    "INTERLOCK_SIGN_IN_ISSUER": ISSUER,
    "INTERLOCK_SIGN_IN_CLIENT": CLIENT,
}


def test_the_environment_says_whose_word_is_taken():
    trust = Settings.from_environment(
        BASE | SIGN_IN | {"INTERLOCK_GROUPS": "viewer=staff, administrator=ops"}
    ).trust
    assert trust is not None
    assert trust.keys == "https://public-keys.auth.elb.eu-west-1.amazonaws.com"
    assert dict(trust.groups) == {
        "staff": Role.VIEWER,
        "operator": Role.OPERATOR,
        "ops": Role.ADMINISTRATOR,
    }
    assert Settings.from_environment(BASE).trust is None


@pytest.mark.parametrize("lost", SIGN_IN)
def test_a_service_that_lost_part_of_it_does_not_start(lost):
    with pytest.raises(SettingsError, match=f"{lost} is not set"):
        Settings.from_environment(BASE | SIGN_IN | {lost: ""})


@pytest.mark.parametrize("left", ["GROUPS", "SIGN_OUT", "SIGNER_KEYS", "ACCESS_TOKEN_KEYS"])
def test_a_service_of_which_the_rest_alone_is_left_is_not_open_to_all(left):
    with pytest.raises(SettingsError, match="INTERLOCK_SIGNER is not set"):
        Settings.from_environment(BASE | {f"INTERLOCK_{left}": "https://id.test/x"})


@pytest.mark.parametrize(
    ("groups", "words"),
    [("boss=ops", "holds 'boss=ops'"), ("viewer=", "holds 'viewer='"), ("viewer=operator", "two")],
)
def test_groups_that_give_no_role_are_refused_at_the_start(groups, words):
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment(BASE | SIGN_IN | {"INTERLOCK_GROUPS": groups})
