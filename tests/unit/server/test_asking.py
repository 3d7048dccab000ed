"""What a container asks for at its start, having no script that could."""

import http.server
import json
import threading

import pytest

from server.asking import asked
from server.settings import SettingsError

TASK = "arn:aws:ecs:eu-west-1:111122223333:task/cluster/0123456789abcdef"


@pytest.fixture
def aws(monkeypatch):
    """Serve ECS's metadata and API Gateway; returns where, and what is answered."""
    answers = {"/v4/task": {"TaskARN": TASK}, "/apikeys/k1": {"id": "k1", "value": "the-value"}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = answers.get(self.path.partition("?")[0])
            body = json.dumps(answer or {"message": "no such key"}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        yield url, answers
        server.shutdown()
        thread.join()


def test_a_task_learns_its_id_and_its_key(aws):
    url, _ = aws
    given = {
        "AWS_REGION": "eu-west-1",
        "INTERLOCK_API_KEY_ID": "k1",
        "ECS_CONTAINER_METADATA_URI_V4": f"{url}/v4",
    }
    found = asked(given)
    assert found["INTERLOCK_API_KEY"] == "the-value"
    assert found["INTERLOCK_INSTANCE_ID"] == "0123456789abcdef"
    assert given.keys() < found.keys()


def test_what_is_set_is_not_asked_for():
    given = {
        "INTERLOCK_API_KEY": "set",
        "INTERLOCK_API_KEY_ID": "k1",
        "INTERLOCK_INSTANCE_ID": "i-1",
        "ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9/v4",
    }
    assert asked(given) == given


def test_where_nothing_can_be_asked_for_the_environment_stays():
    assert asked({"AWS_REGION": "eu-west-1"}) == {"AWS_REGION": "eu-west-1"}


def test_all_that_cannot_be_had_is_named_at_once(aws):
    url, answers = aws
    answers.clear()
    with pytest.raises(SettingsError) as refused:
        asked(
            {
                "AWS_REGION": "eu-west-1",
                "INTERLOCK_API_KEY_ID": "k1",
                "ECS_CONTAINER_METADATA_URI_V4": f"{url}/v4",
            }
        )
    key, task = refused.value.problems
    assert key.startswith("the API key k1 cannot be read: ")
    assert task.startswith("ECS does not say which task this is: ")
