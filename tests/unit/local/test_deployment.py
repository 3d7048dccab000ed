"""The deployment on this machine makes good what the emulator's CloudFormation drops."""

from typing import Any

from local.deployment import let_items_expire

EXPIRES = {"AttributeName": "expires", "Enabled": True}


class Emulator:
    """Clients that note what they are asked."""

    def __init__(self) -> None:
        self.expiring: dict[str, Any] = {}

    def client(self, _: str) -> "Emulator":
        return self

    def describe_stack_resource(self, *, StackName: str, LogicalResourceId: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        detail = {"PhysicalResourceId": f"{StackName}-{LogicalResourceId}-1"}
        return {"StackResourceDetail": detail}

    def update_time_to_live(self, *, TableName: str, TimeToLiveSpecification: Any) -> None:  # noqa: N803 - boto3's names
        self.expiring[TableName] = TimeToLiveSpecification


def test_tables_expire_items_as_their_template_says():
    emulator = Emulator()
    template = {
        "Resources": {
            "Coordination": {"Properties": {"TimeToLiveSpecification": EXPIRES}},
            "Orders": {"Properties": {"KeySchema": []}},
            "Topic": {"Type": "AWS::SNS::Topic"},
        }
    }
    let_items_expire(emulator.client, "data", template)
    let_items_expire(emulator.client, "empty", {})
    assert emulator.expiring == {"data-Coordination-1": EXPIRES}
