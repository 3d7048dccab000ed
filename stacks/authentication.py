"""The load balancer's part in signing people in, and what the service is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_elasticloadbalancingv2 as elbv2

from stacks.sign_in import Provider

_SESSION = cdk.Duration.hours(12)
_PUBLIC_KEYS = "/api/.well-known/jwks.json"
# What scripts ask for. They cannot follow a redirect to another site, but can tell a person.
_ASKED_BY_SCRIPTS = ["/api/*", "/service/*", "/events"]


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """The provider as a load balancer has to know it; see `stacks.sign_in` for the words."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    user_info_endpoint: str
    client_id: str
    client_secret: cdk.SecretValue
    scope: str
    groups_claim: str
    groups: Mapping[str, str] = field(default_factory=dict)
    access_token_keys: str | None = None
    sign_out: str | None = None

    @classmethod
    def of_provider(cls, provider: Provider) -> "Authentication":
        """Return what an environment says of a provider that is there already."""
        return cls(
            issuer=provider.issuer,
            authorization_endpoint=provider.authorization_endpoint,
            token_endpoint=provider.token_endpoint,
            user_info_endpoint=provider.user_info_endpoint,
            client_id=provider.client_id,
            client_secret=cdk.SecretValue.secrets_manager(provider.client_secret),
            scope=provider.scope,
            groups_claim=provider.groups_claim,
            groups=provider.groups,
            sign_out=provider.sign_out,
        )

    def before(self, forward: elbv2.ListenerAction) -> elbv2.ListenerAction:
        """Return the action that sends strangers to the provider, and lets others through."""
        return self._action(forward, elbv2.UnauthenticatedAction.AUTHENTICATE)

    def add_rules(self, listener: elbv2.ApplicationListener, forward: elbv2.ListenerAction) -> None:
        """Refuse strangers' scripts with 401, and let everybody read the public keys."""
        listener.add_action(
            "PublicKeys",
            priority=1,
            conditions=[
                elbv2.ListenerCondition.path_patterns([_PUBLIC_KEYS]),
                elbv2.ListenerCondition.http_request_methods(["GET", "HEAD"]),
            ],
            action=forward,
        )
        listener.add_action(
            "Scripts",
            priority=2,
            conditions=[elbv2.ListenerCondition.path_patterns(_ASKED_BY_SCRIPTS)],
            action=self._action(forward, elbv2.UnauthenticatedAction.DENY),
        )

    def variables(self, balancer: elbv2.IApplicationLoadBalancer) -> dict[str, str]:
        """Return the service's environment: whose word to take (server/settings.py)."""
        variables = {
            "INTERLOCK_SIGNER": balancer.load_balancer_arn,
            "INTERLOCK_SIGN_IN_ISSUER": self.issuer,
            "INTERLOCK_SIGN_IN_CLIENT": self.client_id,
            "INTERLOCK_GROUPS_CLAIM": self.groups_claim,
        }
        if self.groups:
            named = ",".join(f"{role}={group}" for role, group in self.groups.items())
            variables["INTERLOCK_GROUPS"] = named
        if self.access_token_keys:
            variables["INTERLOCK_ACCESS_TOKEN_KEYS"] = self.access_token_keys
        if self.sign_out:
            variables["INTERLOCK_SIGN_OUT"] = self.sign_out
        return variables

    def _action(
        self, forward: elbv2.ListenerAction, unauthenticated: elbv2.UnauthenticatedAction
    ) -> elbv2.ListenerAction:
        return elbv2.ListenerAction.authenticate_oidc(
            issuer=self.issuer,
            authorization_endpoint=self.authorization_endpoint,
            token_endpoint=self.token_endpoint,
            user_info_endpoint=self.user_info_endpoint,
            client_id=self.client_id,
            client_secret=self.client_secret,
            scope=self.scope,
            session_timeout=_SESSION,
            on_unauthenticated_request=unauthenticated,
            # The network stack says what may go out.
            allow_https_outbound=False,
            next=forward,
        )
