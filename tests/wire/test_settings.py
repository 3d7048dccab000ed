"""Settings are read from the environment and the shared files, as the SDKs read them."""

import pytest

from interlock._protocol.faults import Refused
from interlock._wire.settings import Settings


@pytest.fixture
def files(tmp_path):
    """Return a function that makes settings of an environment and the texts of both files."""

    def make(config="", credentials="", **environ):
        paths = {
            "AWS_CONFIG_FILE": tmp_path / "config",
            "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials",
        }
        for path, text in zip(paths.values(), (config, credentials), strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Settings({name: str(path) for name, path in paths.items()} | environ)

    return make


def test_a_variable_comes_before_the_profile(files):
    config = "[default]\nkey = profile\nempty =\n"
    assert files(config).get("VARIABLE", "key") == "profile"
    assert files(config, VARIABLE="").get("VARIABLE", "key") == "profile"
    assert files(config, VARIABLE="x").get("VARIABLE", "key") == "x"
    assert files(config).get("VARIABLE", "empty") is None
    assert files(config).get("VARIABLE", "other") is None


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), (" TRUE ", True), ("false", False), ("", False)]
)
def test_a_flag_is_on_if_it_says_so(files, text, expected):
    assert files(VARIABLE=text).flag("VARIABLE", "key") is expected
    assert files(f"[default]\nkey = {text}\n").flag("VARIABLE", "key") is expected


def test_a_profile_is_of_both_files(files):
    config = "[default]\na = 1\nb = 1\n[profile x]\na = 2\n[x]\na = 3\n[profile default]\na = 4\n"
    credentials = "[default]\nb = 5\n[x]\nb = 6\n[profile x]\nb = 7\n"
    assert files(config, credentials).profile() == {"a": "1", "b": "5"}
    named = {"a": "2", "b": "6"}
    assert files(config, credentials, AWS_PROFILE="x").profile() == named
    assert files(config, credentials, AWS_DEFAULT_PROFILE="x").profile() == named
    assert files(config, credentials, AWS_PROFILE="x", AWS_DEFAULT_PROFILE="y").profile() == named
    assert files(config, credentials, AWS_PROFILE="y").profile() == {}


def test_a_profile_is_read_once(files, tmp_path):
    settings = files("[default]\na = 1\n")
    assert settings.profile() is settings.profile()
    (tmp_path / "config").unlink()
    assert settings.get("VARIABLE", "a") == "1"


def test_files_are_at_home_unless_the_environment_says_where(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\na = \xe4\n", encoding="utf-8")
    (tmp_path / ".aws/credentials").write_text("[default]\nb = 2\n")
    assert Settings({}).profile() == {"a": "\xe4", "b": "2"}


@pytest.mark.parametrize("config", ["", b"\xff"])
def test_a_file_that_cannot_be_read_says_nothing(files, config):
    assert files(config).profile() == {}
    nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    assert Settings(nowhere).profile() == {}


def test_a_section_of_defaults_is_a_section(files):
    config = "[DEFAULT]\na = 1\n[default]\nb = 2\n[default]\nc = 3\n"
    assert files(config).profile() == {"b": "2", "c": "3"}


def test_a_broken_file_is_named(files, tmp_path):
    with pytest.raises(Refused, match=str(tmp_path / "config")) as refusal:
        files("a = 1\n").profile()
    assert refusal.value.code == "ConfigParseError"


def test_the_region_is_that_of_the_environment_first(files):
    config = "[default]\nregion = a\n"
    assert files(config).region() == "a"
    assert files(config, AWS_DEFAULT_REGION="b").region() == "b"
    assert files(config, AWS_DEFAULT_REGION="b", AWS_REGION="c").region() == "c"
    with pytest.raises(Refused) as refusal:
        files().region()
    assert refusal.value.code == "NoRegionError"


def test_an_endpoint_is_that_of_the_service_first(files):
    sections = (
        "[services x]\nkms =\n  other = 1\n  endpoint_url = http://kms\ndynamodb =\n  a = 1\n"
    )
    config = f"[default]\nservices = x\nendpoint_url = http://all\n{sections}"
    assert files(config).endpoint_url("kms") == "http://kms"
    assert files(config).endpoint_url("dynamodb") == "http://all"
    assert files(f"[default]\nservices = x\n{sections}").endpoint_url("dynamodb") is None
    assert files(f"[default]\nendpoint_url =\n{sections}").endpoint_url("kms") is None
    every = {"AWS_ENDPOINT_URL": "http://b"}
    assert files(config, **every).endpoint_url("kms") == "http://b"
    assert files(config, **every, AWS_ENDPOINT_URL_KMS="http://c").endpoint_url("kms") == "http://c"
    ignoring = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert files(config, **every, **ignoring).endpoint_url("kms") is None


@pytest.mark.parametrize(
    "key",
    [
        "aws_access_key_id",
        "credential_process",
        "credential_source",
        "login_session",
        "role_arn",
        "source_profile",
        "sso_account_id",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    ],
)
def test_a_profile_has_credentials_if_it_says_where_from(files, key):
    assert files(f"[default]\n{key} = x\n").profile_has_credentials()
    assert files(credentials=f"[default]\n{key} = x\n").profile_has_credentials()


def test_a_profile_that_is_named_is_meant_to_have_credentials(files):
    assert files(AWS_PROFILE="x").profile_has_credentials()
    assert files(AWS_DEFAULT_PROFILE="x").profile_has_credentials()
    assert not files("[default]\nregion = x\n").profile_has_credentials()
