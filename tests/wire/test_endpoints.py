"""Endpoints and settings are those that the SDKs would use."""

import botocore.session
import pytest

from interlock._protocol.faults import Refused
from interlock._wire.endpoints import parse, proxied, resolve
from interlock._wire.settings import Settings

NO_FILES = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
REGIONS = (
    "us-east-1",
    "eu-central-1",
    "ap-southeast-7",
    "il-central-1",
    "us-gov-west-1",
    "cn-north-1",
    "eusc-de-east-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
)


def settings(**environ):
    return Settings(NO_FILES | environ)


@pytest.mark.parametrize("service", ["dynamodb", "kms", "sts"])
@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("dual_stack", [False, True])
def test_endpoints_are_those_of_botocore(service, fips, dual_stack):
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    from botocore.endpoint_provider import EndpointProvider  # noqa: PLC0415 - only here

    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    provider = EndpointProvider(rules, loader.load_data("partitions"))
    for region in REGIONS:
        parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dual_stack}
        if service == "sts":
            parameters["UseGlobalEndpoint"] = False
        expected = provider.resolve_endpoint(**parameters).url
        found = resolve(
            service,
            settings(
                AWS_REGION=region,
                AWS_USE_FIPS_ENDPOINT=str(fips).lower(),
                AWS_USE_DUALSTACK_ENDPOINT=str(dual_stack),
            ),
        )
        assert str(found) == expected


def test_the_region_is_read_in_its_order(tmp_path):
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-north-1\n[profile two]\nregion = eu-west-2\n")
    environ = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    assert Settings(environ).region() == "eu-north-1"
    assert Settings(environ | {"AWS_PROFILE": "two"}).region() == "eu-west-2"
    environ["AWS_DEFAULT_REGION"] = "us-west-1"
    assert Settings(environ).region() == "us-west-1"
    environ["AWS_REGION"] = "us-west-2"
    assert Settings(environ).region() == "us-west-2"


def test_a_missing_region_is_named():
    with pytest.raises(Refused, match="AWS_REGION") as refusal:
        settings().region()
    assert refusal.value.code == "NoRegionError"


def test_configured_endpoints_are_read_in_their_order(tmp_path):
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = eu-north-1\nendpoint_url = http://all:1\nservices = mine\n"
        "[services mine]\ndynamodb =\n  endpoint_url = http://profile:2\n"
        "kms =\n  other = 1\n"
    )
    environ = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    assert str(resolve("dynamodb", Settings(environ))) == "http://profile:2"
    assert str(resolve("kms", Settings(environ))) == "http://all:1"
    environ["AWS_ENDPOINT_URL"] = "http://environment:3/"
    assert str(resolve("dynamodb", Settings(environ))) == "http://environment:3"
    environ["AWS_ENDPOINT_URL_DYNAMODB"] = "http://service:4/path"
    assert str(resolve("dynamodb", Settings(environ))) == "http://service:4/path"
    assert str(resolve("kms", Settings(environ))) == "http://environment:3"
    environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    assert resolve("kms", Settings(environ)).host == "kms.eu-north-1.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("https://h.example", "h.example", 443, "h.example"),
        ("https://h.example:443", "h.example", 443, "h.example"),
        ("http://h.example:443", "h.example", 443, "h.example:443"),
        ("http://127.0.0.1:8000/", "127.0.0.1", 8000, "127.0.0.1:8000"),
        ("http://[::1]:8000", "::1", 8000, "[::1]:8000"),
        ("https://[::1]", "::1", 443, "[::1]"),
        ("http://h.example", "h.example", 80, "h.example"),
        ("http://h.example:1", "h.example", 1, "h.example:1"),
        ("http://h.example:65535", "h.example", 65535, "h.example:65535"),
    ],
)
def test_a_url_names_an_endpoint(url, host, port, authority):
    found = parse(url, "r")
    assert (found.host, found.port, found.authority, found.path) == (host, port, authority, "")
    assert found.tls is url.startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h.example",
        "ftp://h",
        "http://",
        "http://h:0",
        "http://h:65536",
        "http://h:70000",
        "http://a@h",
        "http://h?q",
    ],
)
def test_what_is_no_endpoint_is_named(url):
    with pytest.raises(Refused, match="endpoint") as refusal:
        parse(url, "r")
    assert refusal.value.code == "InvalidEndpoint"


def test_a_region_is_a_part_of_a_host():
    with pytest.raises(Refused, match="evil"):
        resolve("dynamodb", settings(AWS_REGION="evil.example/"))


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "https://h.example", False),
        ({"HTTPS_PROXY": "http://p"}, "https://h.example", True),
        ({"https_proxy": "http://p"}, "https://h.example", True),
        ({"HTTPS_PROXY": "http://p"}, "http://h.example", False),
        ({"HTTP_PROXY": "http://p"}, "http://h.example", True),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, "https://h.example", False),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "a, .example"}, "https://h.example", False),
        ({"HTTPS_PROXY": "http://p", "no_proxy": "h.example:443"}, "https://h.example", False),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "ample"}, "https://h.example", True),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "H.Example"}, "https://h.example", False),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ",x"}, "https://h.example.", True),
    ],
)
def test_a_proxy_in_the_environment_is_noticed(environ, url, expected):
    assert proxied(parse(url, "r"), environ) is expected


def test_a_broken_configuration_is_named(tmp_path):
    config = tmp_path / "config"
    config.write_text("region = eu-north-1\n")
    with pytest.raises(Refused, match="config"):
        Settings({"AWS_CONFIG_FILE": str(config)}).region()
