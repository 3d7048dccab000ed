"""The stack of people: a user pool, where the environment has no provider of its own."""

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.authentication import Authentication
from stacks.config import Environment
from stacks.sign_in import ROLES, CognitoPool
from stacks.stack import InterlockStack

_CALLBACK = "/oauth2/idpresponse"  # of every load balancer
_INVITATION_DAYS = 7


class IdentityStack(InterlockStack):
    """The user pool. Apart from the rest, because accounts outlive what they are used for."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, pool: CognitoPool
    ) -> None:
        super().__init__(scope, construct_id, environment=environment)
        self.people = People(self, "People", environment=environment, host=pool.host)
        cdk.CfnOutput(self, "UserPoolId", value=self.people.pool.user_pool_id)


class People(Construct):
    """A user pool: people sign in by e-mail and are invited, never sign themselves up."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, host: str
    ) -> None:
        super().__init__(scope, construct_id)
        self._host = host
        self.pool = self._add_pool(environment)
        for role in ROLES:
            cognito.CfnUserPoolGroup(
                self,
                role.capitalize(),
                user_pool_id=self.pool.user_pool_id,
                group_name=role,
                description=f"Interlock: {role}",
            )
        self._domain = self.pool.add_domain(
            "Domain",
            # Shared by all accounts of a region.
            cognito_domain=cognito.CognitoDomainOptions(
                domain_prefix=f"interlock-{environment.name}-{environment.account}"
            ),
        )

    def authentication(self, scope: Construct, construct_id: str) -> Authentication:
        """Make a client of the pool in `scope`; return what its load balancer has to know.

        In the load balancer's own stack: as an output of another one the client's secret could be
        read by all who may describe stacks.
        """
        client = self._add_client(scope, construct_id)
        cfn_client = client.node.default_child
        if not isinstance(cfn_client, cognito.CfnUserPoolClient):
            raise TypeError("the client is no CfnUserPoolClient")
        # Left out, it would allow passwords to be tried past the hosted page.
        cfn_client.explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]
        pool_url = self.pool.user_pool_provider_url
        hosted = self._domain.base_url()
        home = f"https%3A%2F%2F{self._host}%2F"
        return Authentication(
            issuer=pool_url,
            authorization_endpoint=f"{hosted}/oauth2/authorize",
            token_endpoint=f"{hosted}/oauth2/token",
            user_info_endpoint=f"{hosted}/oauth2/userInfo",
            client_id=client.user_pool_client_id,
            # An attribute, which CloudFormation fills in: in no template, and by no function.
            client_secret=cdk.SecretValue.resource_attribute(cfn_client.attr_client_secret),
            scope="openid email profile",
            # User info has no groups, the access token has.
            groups_claim="cognito:groups",
            access_token_keys=f"{pool_url}/.well-known/jwks.json",
            sign_out=f"{hosted}/logout?client_id={client.user_pool_client_id}&logout_uri={home}",
        )

    def _add_pool(self, environment: Environment) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "Default",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            keep_original=cognito.KeepOriginalAttrs(email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                temp_password_validity=cdk.Duration.days(_INVITATION_DAYS),
            ),
            feature_plan=cognito.FeaturePlan.PLUS,
            standard_threat_protection_mode=cognito.StandardThreatProtectionMode.FULL_FUNCTION,
            deletion_protection=environment.protected,
            removal_policy=environment.removal_policy,
        )
        acknowledge(
            pool,
            "COG2",
            "a second factor is each person's choice; threat protection blocks what looks stolen",
        )
        return pool

    def _add_client(self, scope: Construct, construct_id: str) -> cognito.UserPoolClient:
        return cognito.UserPoolClient(
            scope,
            construct_id,
            user_pool=self.pool,
            generate_secret=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            access_token_validity=cdk.Duration.minutes(30),
            refresh_token_validity=cdk.Duration.hours(12),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[
                    cognito.OAuthScope.OPENID,
                    cognito.OAuthScope.EMAIL,
                    cognito.OAuthScope.PROFILE,
                ],
                callback_urls=[f"https://{self._host}{_CALLBACK}"],
                logout_urls=[f"https://{self._host}/"],
            ),
        )
