"""A budget for what one environment of the application costs."""

from aws_cdk import aws_budgets as budgets
from constructs import Construct

_THRESHOLDS = (("FORECASTED", 100), ("ACTUAL", 80), ("ACTUAL", 100))  # percent of the limit


class MonthlyBudget(Construct):
    """Sends a mail before and when the month's cost passes `dollars`.

    It counts what has the tags of this application and environment. Billing knows these once they
    are activated as cost allocation tags (docs/account.md), and until then the budget sees nothing.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        dollars: int,
        email: str,
    ) -> None:
        super().__init__(scope, construct_id)
        tags = {"application": "interlock", "environment": environment}
        budgets.CfnBudget(
            self,
            "Default",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
                metrics=["UnblendedCost"],
                filter_expression=budgets.CfnBudget.ExpressionProperty(
                    and_=[_tagged(key, value) for key, value in tags.items()]
                ),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(
                            address=email, subscription_type="EMAIL"
                        )
                    ],
                )
                for kind, percent in _THRESHOLDS
            ],
        )


def _tagged(key: str, value: str) -> budgets.CfnBudget.ExpressionProperty:
    return budgets.CfnBudget.ExpressionProperty(
        tags=budgets.CfnBudget.TagValuesProperty(key=key, values=[value], match_options=["EQUALS"])
    )
