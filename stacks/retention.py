"""How long logs are kept, in the steps that CloudWatch Logs knows."""

from aws_cdk import aws_logs as logs

from stacks.config import Environment

_DAYS = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def retention_of(environment: Environment) -> logs.RetentionDays:
    """Return the retention of an environment's logs."""
    return _DAYS[environment.log_retention_days]
