"""The command signs its requests, prints what people or programs read, and explains failures."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from interlock.cli import main


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        self.server.seen.append((self.command, self.path, self.headers, body))
        status, content = self.server.answers.pop(0)
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.answers = []


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("INTERLOCK_API_URL", f"http://127.0.0.1:{server.server_address[1]}/v1/")
    return lambda *args, **options: CliRunner().invoke(main, args, **options)


STATE = {"name": "a", "value": 7, "floor": None, "ceiling": 9, "shards": 1}


def test_the_key_of_a_usage_plan_is_sent_and_signed(run, server, monkeypatch):
    monkeypatch.setenv("INTERLOCK_API_KEY", "plan-key")
    server.answers = [(200, STATE)]
    assert run("counter", "get", "a").exit_code == 0
    headers = server.seen[0][2]
    assert headers["x-api-key"] == "plan-key"
    assert "x-api-key" in headers["Authorization"]


@pytest.mark.parametrize(
    "case",
    [
        (["counter", "get", "a"], ("GET", "/v1/counters/a", None), STATE, "7"),
        (
            ["counter", "increment", "a", "3"],
            ("POST", "/v1/counters/a/increment", {"amount": 3}),
            STATE,
            "7",
        ),
        (
            ["counter", "decrement", "a"],
            ("POST", "/v1/counters/a/decrement", {"amount": 1}),
            STATE,
            "7",
        ),
        (["counter", "reset", "a"], ("POST", "/v1/counters/a/reset", {}), STATE, "7"),
        (
            ["counter", "create", "a", "--ceiling", "9"],
            ("PUT", "/v1/counters/a", {"floor": None, "ceiling": 9, "shards": 1}),
            STATE,
            "a: 7 (floor None, ceiling 9, shards 1)",
        ),
        (
            ["counter", "delete", "a/b"],
            ("DELETE", "/v1/counters/a%2Fb", None),
            {},
            "a/b is deleted",
        ),
        (
            ["lock", "show", "a/b"],
            ("GET", "/v1/locks/a/b", None),
            {"name": "a/b", "held": False, "fencing_token": 7},
            "a/b: free, last fencing token 7",
        ),
        (
            ["lock", "show", "l"],
            ("GET", "/v1/locks/l", None),
            {
                "name": "l",
                "held": True,
                "owner": "vm/1",
                "since": "2026-01-02T03:04:05+00:00",
                "lease_seconds": 20.0,
                "fencing_token": 7,
            },
            "l: held by vm/1 since 2026-01-02T03:04:05+00:00, lease 20 s, fencing token 7",
        ),
        (
            ["receipt", "verify", "x.y.z"],
            ("POST", "/v1/receipts/verify", {"receipt": "x.y.z"}),
            {"value": 7},
            "value: 7",
        ),
    ],
)
def test_a_command_is_one_signed_request(run, server, case):
    arguments, expected, answer, output = case
    server.answers = [(200, answer), (200, answer)]
    result = run(*arguments)
    assert (result.exit_code, result.output.strip()) == (0, output)
    ((method, path, headers, payload),) = server.seen
    assert "/eu-west-1/execute-api/aws4_request" in headers["Authorization"]
    assert (method, path, json.loads(payload) if payload else None) == expected
    assert json.loads(run("--json", *arguments).output) == answer


def test_a_key_is_sent_as_a_header(run, server):
    server.answers = [(200, STATE)]
    run("counter", "increment", "a", "--key", "k1")
    assert server.seen[0][2]["Idempotency-Key"] == "k1"


def test_all_pages_of_a_list_are_read(run, server):
    first = {"counters": [{"name": "a", "value": 1}, {"name": "b", "value": -2}], "next": "b"}
    server.answers = [(200, first), (200, {"counters": [{"name": "c", "value": 3}]})]
    assert run("counter", "list").output.split() == ["a", "1", "b", "-2", "c", "3"]
    assert server.seen[1][1] == "/v1/counters?after=b"


def test_a_receipt_can_come_from_standard_input(run, server):
    server.answers = [(200, {})]
    run("receipt", "verify", input="x.y.z\n")
    assert json.loads(server.seen[0][3]) == {"receipt": "x.y.z"}


def test_a_problem_is_told_in_its_own_words(run, server):
    problem = {"title": "Limit exceeded", "detail": "the counter is at 9"}
    server.answers = [(409, problem), (409, problem)]
    result = run("counter", "increment", "a")
    assert (result.exit_code, result.output) == (1, "interlock: the counter is at 9 (409)\n")
    assert json.loads(run("--json", "counter", "increment", "a").output) == problem


def test_an_answer_that_is_not_json_is_told(run, server):
    server.answers = [(502, b"<html>")]
    result = run("counter", "get", "a")
    assert (result.exit_code, "not in JSON" in result.output) == (3, True)


def test_an_api_that_is_not_there_is_told(run, monkeypatch):
    monkeypatch.setenv("INTERLOCK_API_URL", "http://127.0.0.1:1")
    result = run("counter", "get", "a")
    assert (result.exit_code, "cannot reach" in result.output) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["counter", "increment", "a", "0"], "0 is not in the range"),
        (["counter", "increment", "a", "x"], "not a valid integer"),
        (["counter", "frob"], "No such command"),
        (["--url", "ftp://x", "counter", "get", "a"], "not an http(s) URL"),
    ],
)
def test_misuse_is_explained_before_a_request(run, server, arguments, words):
    result = run(*arguments)
    assert (result.exit_code, words in result.output) == (2, True)
    assert not server.seen


def test_a_missing_url_says_where_it_comes_from(run, monkeypatch):
    monkeypatch.delenv("INTERLOCK_API_URL")
    result = run("counter", "get", "a")
    assert (result.exit_code, "ApiUrl" in result.output) == (2, True)
