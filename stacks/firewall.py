"""The web application firewall before the load balancer and the API."""

from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

_RATE = 2000  # requests of one address in five minutes
_MANAGED = {
    "AWSManagedRulesAmazonIpReputationList": (),
    # The service and the function refuse large bodies themselves, and say so in their own words.
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
    "AWSManagedRulesKnownBadInputsRuleSet": (),
}


def protect(scope: Construct, construct_id: str, *, resource_arn: str) -> wafv2.CfnWebACL:
    """Put a firewall before a regional resource: managed rules, and a rate limit per address."""
    limit = wafv2.CfnWebACL.RuleProperty(
        name="RateLimit",
        priority=0,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP", limit=_RATE
            )
        ),
        visibility_config=_visible("RateLimit"),
    )
    managed = [
        _managed_rule(name, priority, counted)
        for priority, (name, counted) in enumerate(_MANAGED.items(), start=1)
    ]
    acl = wafv2.CfnWebACL(
        scope,
        construct_id,
        scope="REGIONAL",
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        rules=[limit, *managed],
        visibility_config=_visible(construct_id),
    )
    wafv2.CfnWebACLAssociation(
        scope, f"{construct_id}Association", resource_arn=resource_arn, web_acl_arn=acl.attr_arn
    )
    return acl


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
