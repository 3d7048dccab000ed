"""The examples do what they say, on a store in memory."""

import importlib.util
import json
import re
from pathlib import Path

import httpx
import pytest

from interlock import LockClient, TransactionClient
from interlock._protocol.tables import schema
from interlock.testing import MemoryStore, Table

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(path):
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def store():
    return MemoryStore("coordination", Table("accounts"), Table("reports"))


class TestService:
    @pytest.fixture
    async def http(self, store, monkeypatch):
        module = load(EXAMPLES / "service/app.py")
        monkeypatch.setattr(module, "SEATS", 2)
        app = module.application(store.aio_client())
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://service") as http,
        ):
            yield http

    async def test_no_more_seats_are_booked_than_there_are(self, http):
        answers = [await http.post("/seats") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 409]

    async def test_a_request_that_is_sent_again_books_one_seat(self, http):
        header = {"Idempotency-Key": "7"}
        answers = [(await http.post("/seats", headers=header)).json() for _ in range(2)]
        assert answers == [{"seat": 1}] * 2

    async def test_a_lost_answer_is_reported(self, http, store):
        await http.post("/seats")
        store.lose_reply("UpdateItem")
        answer = await http.post("/seats")
        assert answer.status_code == 503
        assert "Idempotency-Key" in answer.json()["detail"]


class TestBatch:
    @pytest.fixture
    def module(self, store, monkeypatch):
        module = load(EXAMPLES / "batch/handler.py")
        client = TransactionClient("coordination", client=store.client())
        monkeypatch.setattr(module, "transactions", client)
        for name in ("alice", "bob"):
            store.put("accounts", {"pk": name, "balance": 100, "_version": "x"})
        return module

    @staticmethod
    def message(number, amount):
        body = json.dumps({"from": "alice", "to": "bob", "amount": amount})
        return {"messageId": str(number), "body": body}

    def test_a_message_that_is_delivered_twice_moves_money_once(self, module, store):
        event = {"Records": [self.message(1, 5), self.message(1, 5), self.message(2, 10)]}
        assert module.handler(event, None) == {"batchItemFailures": []}
        assert store.get("accounts", {"pk": "alice"})["balance"] == 85

    def test_only_the_message_that_failed_is_reported(self, module, store):
        event = {"Records": [self.message(1, 500), self.message(2, 10)]}
        failed = module.handler(event, None)["batchItemFailures"]
        assert failed == [{"itemIdentifier": "1"}]
        assert store.get("accounts", {"pk": "bob"})["balance"] == 110


def test_the_nightly_job_runs_on_one_machine_also_when_it_is_quick(store):
    nightly = load(EXAMPLES / "job/nightly.py")
    first, second = (LockClient("coordination", client=store.client()) for _ in range(2))
    transactions = TransactionClient("coordination", client=store.client())
    with first.acquire("nightly"):
        assert nightly.main(second, transactions) is False
    assert nightly.main(second, transactions) is True
    assert nightly.main(first, transactions) is False  # its clock is late, and the run is over
    puts = [call for call in store.calls if "reports" in str(call.params)]
    assert len(puts) == 1


def test_the_terraform_table_has_the_schema_of_the_library():
    text = (EXAMPLES / "terraform/main.tf").read_text()
    parameters = schema("coordination")
    attributes = re.findall(r'attribute \{\s+name = "(\w+)"\s+type = "(\w)"', text)
    assert attributes == [
        (one["AttributeName"], one["AttributeType"]) for one in parameters["AttributeDefinitions"]
    ]
    (index,) = parameters["GlobalSecondaryIndexes"]
    block = text[text.index("global_secondary_index") :].partition("}")[0]
    assert re.findall(r'(?:name|_key) += "(\w+)"', block) == [
        index["IndexName"],
        *(key["AttributeName"] for key in index["KeySchema"]),
    ]
    assert f'projection_type = "{index["Projection"]["ProjectionType"]}"' in text
    assert 'attribute_name = "expires"' in text
