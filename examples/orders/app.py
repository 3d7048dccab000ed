"""A CDK app of one's own: a function that was there before, and what lets it lock.

pip install "interlock[cdk]"
cdk deploy
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock.constructs import CoordinationTable


class Orders(cdk.Stack):
    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        function = lambda_.Function(
            self,
            "Ship",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="ship.handler",
            code=lambda_.Code.from_asset(str(Path(__file__).parent / "function")),
            timeout=cdk.Duration.seconds(30),
        )
        orders = dynamodb.Table.from_table_name(self, "Orders", "orders")

        coordination = CoordinationTable(self, "Coordination")
        coordination.attach_to(function, locks=["orders/*", "carriers/*"], transactions_on=[orders])

        cdk.CfnOutput(self, "FunctionName", value=function.function_name)


app = cdk.App()
Orders(app, "Orders")
app.synth()
