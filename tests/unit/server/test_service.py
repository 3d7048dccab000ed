import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from server.application import WEB
from server.limits import RateLimit, caller_of
from server.logs import JsonFormatter
from server.settings import Settings, SettingsError

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {
    "INTERLOCK_API_URL": "https://abc.execute-api.eu-west-1.amazonaws.com/prod/",
    "AWS_REGION": "eu-west-1",
    "INTERLOCK_INSTANCE_ID": "i-1",
}


def empty_list(_):
    return httpx.Response(200, json={"counters": []})


def test_the_least_environment_has_defaults():
    settings = Settings.from_environment(ENVIRONMENT)
    assert settings.api_url == "https://abc.execute-api.eu-west-1.amazonaws.com/prod"
    assert (settings.port, settings.table, settings.proxies) == (8080, None, 1)


def test_everything_wrong_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"INTERLOCK_API_URL": "abc", "INTERLOCK_PORT": "80.5", "INTERLOCK_RATE": "fast"}
        )
    text = str(caught.value)
    for name in ("API_URL", "PORT", "RATE", "INSTANCE_ID"):
        assert f"INTERLOCK_{name} is" in text
    assert "AWS_REGION is not set" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTERLOCK_TIMEOUT", "30"),
        ("INTERLOCK_TIMEOUT", "nan"),
        ("INTERLOCK_LOG_LEVEL", "LOUD"),
        ("INTERLOCK_API_URL", "ftp://x/y"),
        ("INTERLOCK_LEASE", "0"),
        ("INTERLOCK_API_URL", "https://[::1/stage"),
        ("INTERLOCK_API_URL", "https://user:word@api.test/stage"),
        ("INTERLOCK_API_URL", "https://api.test/a stage"),
        ("INTERLOCK_API_URL", "https://api.test/stage#part"),
        ("AWS_REGION", "eu west"),
        ("INTERLOCK_INSTANCE_ID", "一号"),
        ("INTERLOCK_INSTANCE_ID", "i 1"),
        ("INTERLOCK_INSTANCE_ID", "i" * 129),
        ("INTERLOCK_API_KEY", "a\nb"),
        ("INTERLOCK_TABLE", "no table"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_way_out(name, value):
    with pytest.raises(SettingsError, match=f"{name} is .*; give"):
        Settings.from_environment({**ENVIRONMENT, name: value})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("TSL", "TLS"), ("RATES", "RATE"), ("API_KYE", "API_KEY"), ("PROXIE", "PROXIES")],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_is_meant(misspelt, meant):
    words = f"INTERLOCK_{misspelt} is not known; is INTERLOCK_{meant} meant"
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment({**ENVIRONMENT, f"INTERLOCK_{misspelt}": "1"})


def test_variables_of_the_command_and_the_function_are_left_alone():
    others = ("DEBUG", "SIGNING_KEY", "LOCK", "FENCING_TOKEN", "TABLE_LAYOUT", "ISSUER", "SPEAKER")
    Settings.from_environment({**ENVIRONMENT, **{f"INTERLOCK_{name}": "1" for name in others}})


async def test_healthy_without_the_api_and_ready_only_with_it(service):
    def dead(_):
        raise httpx.ConnectError("no")

    client = await service(dead)
    assert (await client.get("/healthz")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["detail"]) == (
        503,
        "not ready: the API cannot be reached",
    )


async def test_ready_once_the_api_answers_us(service):
    assert (await (await service(empty_list)).get("/readyz")).status_code == 200


async def test_not_ready_when_the_api_refuses_our_role(service):
    client = await service(lambda _: httpx.Response(403, json={"message": "Forbidden"}))
    assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize("path", ["/", "/healthz", "/missing", "/api/counters"])
async def test_every_answer_has_the_security_headers(service, path):
    headers = (await (await service(empty_list)).get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_has_nothing_inline():
    page = (WEB / "index.html").read_text()
    assert " style=" not in page
    assert "<style" not in page
    assert len(re.findall("<script", page)) == len(
        re.findall('<script [^>]*src="[^"]+"></script>', page)
    )


async def test_an_unknown_address_is_a_problem(service):
    reply = await (await service(empty_list)).get("/missing")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_crash_is_a_problem_without_the_traceback(service):
    def broken(_):
        raise RuntimeError("secret")

    reply = await (await service(broken)).get("/api/counters")
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_bucket_refills_at_the_rate():
    now = [0.0]
    limit = RateLimit(2, 1, clock=lambda: now[0])
    assert limit.wait("a") == 0
    assert limit.wait("a") == 0.5
    assert limit.wait("b") == 0
    now[0] = 0.5
    assert limit.wait("a") == 0


@pytest.mark.parametrize(
    ("proxies", "header", "expected"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (1, "", "9.9.9.9"),
    ],
)
def test_the_caller_is_what_our_own_proxy_saw(proxies, header, expected):
    scope = {
        "type": "http",
        "client": ("9.9.9.9", 1),
        "headers": [(b"x-forwarded-for", header.encode())],
    }
    assert caller_of(scope, proxies) == expected


def test_a_log_line_is_one_json_object():
    record = logging.makeLogRecord(
        {"msg": "a\n%s", "args": ("b",), "fields": {"status": 200}, "levelname": "INFO"}
    )
    line = JsonFormatter("i-1").format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["message"], entry["status"], entry["instance"]) == ("a\nb", 200, "i-1")


def test_a_misconfigured_process_says_why_and_ends():
    done = subprocess.run(
        [sys.executable, "-m", "server"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "INTERLOCK_API_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr
