"""What a client says of a table whose keys are not those that it looks for, step by step."""

from typing import Any

import pytest

from interlock._protocol.describing import told
from interlock._protocol.faults import NoReply, Refused
from interlock._protocol.requests import Call, Monotonic
from interlock.errors import ServiceUnavailable, TableUnfit

NOW = 1000.0
LOOKED_FOR = "this client looks for"


def description(*keys, indexes=None):
    """Describe a table by its keys (name, type): the first is its partition key."""
    table: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in keys],
        "KeySchema": [
            {"AttributeName": name, "KeyType": kind}
            for (name, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
    }
    if indexes is not None:
        table["GlobalSecondaryIndexes"] = [{"IndexName": index} for index in indexes]
    return {"Table": table}


def unfit(problem="the key element does not match"):
    return TableUnfit("t", [problem])


def say(answer, error=None):
    """Run `told`, whose question meets an answer or a fault; return the error, and the calls."""
    operation, calls, reply = told(error or unfit()), [], None
    try:
        request = next(operation)
        while True:
            if isinstance(request, Monotonic):
                reply = NOW
            else:
                assert isinstance(request, Call)
                calls.append(request)
                if isinstance(answer, Exception):
                    request = operation.throw(answer)
                    continue
                reply = answer
            request = operation.send(reply)
    except StopIteration as end:
        return end.value, calls


def test_another_error_is_left_as_it_is_and_nothing_is_asked():
    error = ServiceUnavailable("no")
    assert say(None, error) == (error, [])


def test_the_table_is_asked_once_and_not_waited_for_for_long():
    error, calls = say(description(("id", "S")))
    (call,) = calls
    assert (call.operation, call.params) == ("DescribeTable", {"TableName": "t"})
    assert NOW < call.deadline < NOW + 5
    assert error.table == "t"


def test_a_table_with_another_key_is_told_with_the_layout_for_it():
    error, _ = say(description(("id", "S")))
    first, *found, last = error.problems
    assert first == "the key element does not match"
    assert found == [
        "its key is the partition key 'id' (S)",
        "for such keys write layout=TableLayout(partition_key='id')",
    ]
    assert last.startswith(LOOKED_FOR)


def test_a_table_with_a_sort_key_is_told_with_the_layout_for_both():
    error, _ = say(description(("id", "S"), ("sk", "S")))
    assert error.problems[1:3] == [
        "its key is the partition key 'id' (S) and the sort key 'sk' (S)",
        "for such keys write layout=TableLayout(partition_key='id', sort_key=('sk', 'interlock'))",
    ]


@pytest.mark.parametrize("types", [("N", "S"), ("S", "N")])
def test_for_keys_that_are_no_strings_there_is_no_layout(types):
    error, _ = say(description(("id", types[0]), ("sk", types[1])))
    (found,) = error.problems[1:-1]
    assert found.startswith("its key is")


@pytest.mark.parametrize(
    ("indexes", "said"),
    [
        (["a", "b"], "it has the indexes 'a', 'b'"),
        ([], "it has no index"),
        (None, "it has no index"),
    ],
)
def test_where_an_index_is_missing_those_that_there_are_are_told(indexes, said):
    problem = "there is no index 'listing'"
    error, _ = say(description(("pk", "S"), indexes=indexes), unfit(problem))
    assert error.problems[:3] == [problem, said, "its key is the partition key 'pk' (S)"]
    assert len(error.problems) == 4


def test_indexes_are_not_told_where_none_is_missing():
    error, _ = say(description(("id", "S"), indexes=["a"]))
    assert not any("index" in problem for problem in error.problems)


@pytest.mark.parametrize(
    "answer",
    [
        Refused("AccessDeniedException"),
        NoReply("read timeout"),
        {},
        {"Table": {}},
        {"Table": None},
        "<html>",
        description(("id", "S")) | {"Table": {"AttributeDefinitions": [], "KeySchema": [5]}},
    ],
)
def test_without_an_answer_of_use_it_says_what_it_knows(answer):
    error, _ = say(answer)
    assert isinstance(error, TableUnfit)
    (first, last) = error.problems
    assert first == "the key element does not match"
    assert last.startswith(LOOKED_FOR)
