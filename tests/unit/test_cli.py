"""The command signs its requests, prints what people or programs read, and explains failures."""

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from interlock import Signer
from interlock.cli import main
from interlock.receipts import ReceiptIssuer
from interlock.signing import jwks
from tests.unit.signing.kms import LocalKms


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

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

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
            "a: 7 (floor none, ceiling 9, shards 1)",
        ),
        (
            ["counter", "configure", "a", "--ceiling", "none", "--shards", "2"],
            ("PATCH", "/v1/counters/a", {"ceiling": None, "shards": 2}),
            STATE,
            "a: 7 (floor none, ceiling 9, shards 1)",
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
            ["receipt", "verify", "--remote", "x.y.z"],
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
    server.answers = [(200, answer)] * 2
    for place in (1, len(arguments)):  # after the group, and at the very end
        anywhere = [*arguments[:place], "--json", *arguments[place:]]
        assert json.loads(run(*anywhere).output) == answer


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
    run("receipt", "verify", "--remote", input="x.y.z\n")
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
        (["counter", "configure", "a", "--floor", "x"], "neither an integer nor"),
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


def test_create_refuses_a_counter_that_exists(run, server):
    problem = {"detail": "there is such a counter", "status": 412}
    server.answers = [(412, problem)]
    result = run("counter", "create", "a")
    assert (result.exit_code, "there is such a counter" in result.output) == (1, True)
    assert server.seen[0][2]["If-None-Match"] == "*"


def test_configure_wants_something_to_change(run, server):
    assert run("counter", "configure", "a").exit_code == 2
    assert not server.seen


@pytest.fixture
def command(server, tmp_path):
    """Run the command as a process of its own, in a given environment."""

    def start(*arguments, stdout=subprocess.PIPE, before=(), **environment):
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "eu-west-1",
            "INTERLOCK_API_URL": f"http://127.0.0.1:{server.server_address[1]}/v1",
            **environment,
        }
        return subprocess.run(
            [*before, sys.executable, "-c", "from interlock.cli import main; main()", *arguments],
            env={name: value for name, value in given.items() if value is not None},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_PROFILE": "nope"}, "nope"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_EC2_METADATA_DISABLED": "true"}, "no AWS credentials"),
        ({"AWS_REGION": None}, "no region"),
        ({"AWS_CONFIG_FILE": "/dev/null", "AWS_REGION": None}, "no region"),
    ],
)
def test_an_environment_that_does_not_do_is_said_without_a_traceback(command, environment, words):
    done = command("counter", "get", "a", **environment)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_said(command, server):
    server.answers = [(200, STATE)]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = command("counter", "get", "a", stdout=full)
    assert (done.returncode, done.stderr) == (
        1,
        "interlock: cannot write: No space left on device\n",
    )


WRITES = [("--help",), ("--version",), ("counter", "--help"), ("completion", "bash")]


@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_a_full_disk_is_said_by_whatever_writes(command, words):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = command(*words, stdout=full)
    said = "interlock: cannot write: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize("words", [*WRITES, ("counter", "list")], ids=" ".join)
def test_a_pipe_that_was_closed_ends_well(command, server, words):
    server.answers = [(200, {"counters": [{"name": f"c{i}", "value": i} for i in range(20_000)]})]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = command(*words, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        "counter get --json",
        "--json frob",
        "counter --json",
        "counter increment a x --json",
        "counter get a --frob --json",
        "--frob --json",
        "--json --url ftp://a counter get a",
    ],
)
def test_misuse_is_json_too_where_that_is_asked_for(command, words):
    done = command(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert list(json.loads(done.stderr)) == ["detail"]


def test_what_a_command_is_run_with_is_not_ours(command):
    done = command("locks", "run", "a", "--", "true", "--json")
    assert (done.returncode, done.stderr[:6]) == (2, "Usage:")


@pytest.mark.parametrize("words", [*WRITES, ("counter", "get", "a")], ids=" ".join)
def test_output_that_was_closed_before_is_said(command, server, words):
    server.answers = [(200, STATE)]
    done = command(*words, before=("/bin/sh", "-c", 'exec "$0" "$@" >&-'))
    assert (done.returncode, done.stderr) == (
        1,
        "interlock: cannot write: standard output is closed\n",
    )


def test_nothing_heavy_is_imported_before_it_is_needed():
    heavy = ("boto3", "botocore", "cryptography", "asyncio")
    script = f"import sys, interlock.cli; print([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


class TestReceipts:
    """`receipt verify` checks the signature itself, with the key set."""

    @pytest.fixture
    def kms(self):
        return LocalKms()

    @pytest.fixture
    def token(self, kms):
        key = kms.create()
        issuer = ReceiptIssuer(Signer(key, client=kms), issuer="interlock-test")
        self.keys = dict(jwks([key], client=kms))
        return issuer.issue("a", value=7, amount=2)

    def test_by_the_published_keys(self, run, server, token):
        server.answers = [(200, self.keys)]
        result = run("receipt", "verify", token, "--json")
        assert (result.exit_code, json.loads(result.output)["value"]) == (0, 7)
        assert [path for _, path, _, _ in server.seen] == ["/v1/.well-known/jwks.json"]

    def test_what_it_does_not_state_is_left_out(self, run, server, token):
        server.answers = [(200, self.keys), (200, {"counter": "a", "shard": None})]
        lines = run("receipt", "verify", token).output.splitlines()
        assert lines[:2] == ["counter: a", "value: 7"]
        assert "replayed: no" in lines
        assert not any(line.startswith(("shard", "previous")) for line in lines)
        assert run("receipt", "verify", token, "--remote").output == "counter: a\n"

    def test_by_a_file_and_without_the_api(self, run, server, token, tmp_path, monkeypatch):
        monkeypatch.delenv("INTERLOCK_API_URL")
        path = tmp_path / "keys.json"
        path.write_text(json.dumps(self.keys))
        assert run("receipt", "verify", token, "--keys", str(path)).exit_code == 0
        other = run("receipt", "verify", token, "--keys", str(path), "--issuer", "somewhere-else")
        assert other.exit_code == 1
        assert not server.seen

    def test_a_forged_one_is_refused(self, run, server, token):
        head, _, signature = token.split(".")
        claims = b'{"iss":"interlock-test","iat":1,"counter":"a","value":8}'
        payload = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        server.answers = [(200, self.keys)] * 2
        result = run("receipt", "verify", f"{head}.{payload}.{signature}")
        assert (result.exit_code, "refused" in result.output) == (1, True)
        assert run("receipt", "verify", "x").exit_code == 1

    def test_a_file_that_is_not_there_is_said(self, run, token):
        result = run("receipt", "verify", token, "--keys", "/nowhere.json")
        assert (result.exit_code, "/nowhere.json" in result.output) == (2, True)


def test_without_its_packages_it_says_what_to_install():
    program = "import sys; sys.modules['click'] = None; from interlock._command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == "interlock: the command needs click: pip install 'interlock[cli]'\n"
    assert (done.returncode, done.stdout) == (1, "")
