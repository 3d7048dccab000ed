"""The web application firewall before the load balancer and the API."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

_RATE = 2000  # requests of one address in five minutes
_MANAGED = {
    "AWSManagedRulesAmazonIpReputationList": (),
    # The service and the function refuse large bodies themselves, and say so in their own words.
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
    "AWSManagedRulesKnownBadInputsRuleSet": (),
}


class Firewall(Construct):
    """A firewall before a regional resource: managed rules, and a rate limit per address.

    `unlimited` are IPv4 addresses that the rate limit does not count: those behind which there are
    many clients, which are limited elsewhere. What is blocked or counted is logged to `log_group`
    (`LogsStack.firewall_log_group`); what passed is in the access logs already.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_arn: str,
        log_group: logs.LogGroup,
        unlimited: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        managed = [
            _managed_rule(name, priority, counted)
            for priority, (name, counted) in enumerate(_MANAGED.items(), start=1)
        ]
        acl = wafv2.CfnWebACL(
            self,
            "Default",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            rules=[self._rate_limit(unlimited), *managed],
            visibility_config=_visible(construct_id),
        )
        wafv2.CfnWebACLAssociation(
            self, "Association", resource_arn=resource_arn, web_acl_arn=acl.attr_arn
        )
        self._log(acl, log_group)

    def _rate_limit(self, unlimited: Sequence[str]) -> wafv2.CfnWebACL.RuleProperty:
        return wafv2.CfnWebACL.RuleProperty(
            name="RateLimit",
            priority=0,
            action=wafv2.CfnWebACL.RuleActionProperty(block={}),
            statement=wafv2.CfnWebACL.StatementProperty(
                rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                    aggregate_key_type="IP",
                    limit=_RATE,
                    scope_down_statement=self._others(unlimited),
                )
            ),
            visibility_config=_visible("RateLimit"),
        )

    def _others(self, addresses: Sequence[str]) -> wafv2.CfnWebACL.StatementProperty | None:
        """Return a statement that holds for all but these addresses; None when there are none."""
        if not addresses:
            return None
        known = wafv2.CfnIPSet(
            self,
            "Unlimited",
            scope="REGIONAL",
            ip_address_version="IPV4",
            addresses=[f"{address}/32" for address in addresses],
        )
        return wafv2.CfnWebACL.StatementProperty(
            not_statement=wafv2.CfnWebACL.NotStatementProperty(
                statement=wafv2.CfnWebACL.StatementProperty(
                    ip_set_reference_statement={"arn": known.attr_arn}
                )
            )
        )

    def _log(self, acl: wafv2.CfnWebACL, group: logs.LogGroup) -> None:
        stack = cdk.Stack.of(self)
        # JSON to CloudFormation, so the names are its own.
        kept = [
            {
                "Behavior": "KEEP",
                "Requirement": "MEETS_ANY",
                "Conditions": [
                    {"ActionCondition": {"Action": action}}
                    for action in ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")
                ],
            }
        ]
        configuration = wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            # Without the ":*" of the group's own ARN, which WAF refuses.
            log_destination_configs=[
                stack.format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group.log_group_name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            logging_filter={"DefaultBehavior": "DROP", "Filters": kept},
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(
                    single_header={"Name": "authorization"}
                )
            ],
        )
        configuration.node.add_dependency(group)


def _managed_rule(
    name: str, priority: int, counted: tuple[str, ...]
) -> wafv2.CfnWebACL.RuleProperty:
    count = wafv2.CfnWebACL.RuleActionProperty(count={})
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[
                    wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count)
                    for rule in counted
                ],
            )
        ),
        visibility_config=_visible(name),
    )


def _visible(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
