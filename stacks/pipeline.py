"""The optional stack of an account's pipeline: GitHub Actions may deploy, without a stored key.

    cdk deploy --app "python -m stacks.pipeline" -c env=dev -c repository=OWNER/NAME

It is an app of its own, deployed once an account by a person, for it decides who deploys the rest.
GitHub proves which repository and environment a job is of, by OpenID Connect:
https://docs.github.com/actions/deployment/security-hardening-your-deployments
"""

import re
import sys
from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.acknowledgements import acknowledge_own_policy
from stacks.config import Environment, EnvironmentRefused, environment_of
from stacks.stack import InterlockStack
from stacks.stack_policy import protected

ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")
_QUALIFIER = "hnb659fds"  # of `cdk bootstrap`, unless it was given another
# What the CDK CLI assumes: to look up, to publish code and images, and to start deployments.
_COMPARING = ("lookup",)
_DEPLOYING = ("deploy", "file-publishing", "image-publishing", "lookup")


class RepositoryRefused(EnvironmentRefused):
    """`-c repository=` is missing, or names no repository."""


class PipelineStack(InterlockStack):
    """Lets the jobs of one repository compare and deploy one environment in this account.

    `deployer` is for jobs of the environment, `reviewer` for those of `ENVIRONMENT-diff`, which
    show what approval is then asked for. Each may assume roles that `cdk bootstrap` made; the
    deployer may set the policies of the stacks that keep data, which no role of bootstrap may.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, repository: str
    ) -> None:
        super().__init__(scope, construct_id, environment=environment)
        provider = iam.OidcProviderNative(
            self, "GitHub", url=f"https://{ISSUER}", client_ids=[_AUDIENCE]
        )
        job = f"repo:{repository}:environment:{environment.name}"
        self.deployer = self._add_role("Deployer", provider, job, _DEPLOYING)
        self.deployer.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStacks", "cloudformation:SetStackPolicy"],
                resources=[
                    f"arn:{self.partition}:cloudformation:{environment.region}:{self.account}:"
                    f"stack/{name}/*"  # its id, which CloudFormation makes
                    for name in protected(environment)
                ],
            )
        )
        self.reviewer = self._add_role("Reviewer", provider, f"{job}-diff", _COMPARING)
        cdk.CfnOutput(self, "DeployerArn", value=self.deployer.role_arn)
        cdk.CfnOutput(self, "ReviewerArn", value=self.reviewer.role_arn)

    def _add_role(
        self, name: str, provider: iam.OidcProviderNative, job: str, assumed: Sequence[str]
    ) -> iam.Role:
        role = iam.Role(
            self,
            name,
            description=f"Interlock: jobs of {job}",
            # The environment and no branch: GitHub gives an environment to a job once its rules
            # are kept, which for prod are people who approve.
            assumed_by=iam.WebIdentityPrincipal(
                provider.oidc_provider_arn,
                {"StringEquals": {f"{ISSUER}:aud": _AUDIENCE, f"{ISSUER}:sub": job}},
            ),
            max_session_duration=cdk.Duration.hours(1),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[
                    f"arn:{self.partition}:iam::{self.account}:role/"
                    f"cdk-{_QUALIFIER}-{each}-role-{self.account}-{self.region}"
                    for each in assumed
                ],
            )
        )
        acknowledge_own_policy(role)
        return role


def pipeline(app: cdk.App) -> PipelineStack:
    """Make the stack that the context asks for.

    Raises `RepositoryRefused`, and what `environment_of` raises.
    """
    environment = environment_of(app.node)
    repository = app.node.try_get_context("repository")
    if not isinstance(repository, str) or not _REPOSITORY.fullmatch(repository):
        raise RepositoryRefused(f"the repository is {repository!r}; use -c repository=OWNER/NAME")
    return PipelineStack(app, "Pipeline", environment=environment, repository=repository)


if __name__ == "__main__":
    application = cdk.App()
    try:
        pipeline(application)
    except EnvironmentRefused as refusal:
        sys.exit(f"\n{refusal}\n")
    application.synth()
