"""KMS keys that sign, and Lambda code that is signed."""

from collections.abc import Sequence
from typing import Self, Unpack

from aws_cdk import Duration, Names, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_signer as signer
from constructs import Construct

from interlock._protocol.texts import texts
from interlock.constructs.granting import allow_keys, check_keys
from interlock.constructs.metric_options import MetricOptions, metric_of
from interlock.metrics import NAMESPACE, Metric

_ALIAS = "alias/"
_MAX_ALIAS_LENGTH = 200  # KMS allows 256, "alias/" included

_SIGNING_ALGORITHMS = {
    kms.KeySpec.ECC_NIST_P256: ["ECDSA_SHA_256"],
    kms.KeySpec.ECC_NIST_P384: ["ECDSA_SHA_384"],
    kms.KeySpec.ECC_NIST_P521: ["ECDSA_SHA_512"],
    kms.KeySpec.ECC_SECG_P256K1: ["ECDSA_SHA_256"],
    kms.KeySpec.RSA_2048: ["RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256"],
    kms.KeySpec.RSA_3072: ["RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256"],
    kms.KeySpec.RSA_4096: ["RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256"],
    kms.KeySpec.ECC_NIST_EDWARDS25519: ["ED25519_SHA_512"],
    kms.KeySpec.ML_DSA_44: ["ML_DSA_SHAKE_256"],
    kms.KeySpec.ML_DSA_65: ["ML_DSA_SHAKE_256"],
    kms.KeySpec.ML_DSA_87: ["ML_DSA_SHAKE_256"],
}
# What a Signer sends: a digest, but for the algorithms that have none or another.
_MESSAGE_TYPES = {
    "ED25519_SHA_512": "RAW",
    "ML_DSA_SHAKE_256": "EXTERNAL_MU",
}
_MAC_ALGORITHMS = {
    kms.KeySpec.HMAC_256: "HMAC_SHA_256",
    kms.KeySpec.HMAC_384: "HMAC_SHA_384",
    kms.KeySpec.HMAC_512: "HMAC_SHA_512",
}


class _RotatingKey(Construct):
    """Keys of one purpose, each a version, and an alias on the one in use.

    KMS rotates neither asymmetric nor HMAC keys by itself; a version more is a rotation.
    """

    key: kms.IKey
    keys: list[kms.IKey]
    alias: kms.IAlias
    _given_alias: str | None

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        purpose: str,
        key_spec: kms.KeySpec,
        key_usage: kms.KeyUsage,
        versions: Sequence[str],
        current: str | None,
        alias_name: str | None,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._use(key_spec)
        versions = texts("versions", versions)
        if not versions or len(set(versions)) != len(versions):
            raise ValueError(f"versions are at least one, and distinct; got {list(versions)}")
        current = current or versions[-1]
        if current not in versions:
            raise ValueError(f"current is one of the versions {list(versions)}; got {current!r}")
        by_version = {
            version: kms.Key(
                self,
                f"Key{version}",
                description=f"{purpose}, version {version}",
                key_spec=key_spec,
                key_usage=key_usage,
                removal_policy=removal_policy,
            )
            for version in versions
        }
        self.key = by_version[current]
        self.keys = [self.key, *(key for key in by_version.values() if key is not self.key)]
        name = alias_name or Names.unique_resource_name(
            self, max_length=_MAX_ALIAS_LENGTH, separator="-"
        )
        alias = kms.Alias(self, "Alias", alias_name=_full_alias(name), target_key=self.key)
        self._given_alias = _full_alias(alias_name) if alias_name else None
        # A deleted alias is no loss to what was signed, but a retained one blocks the next deploy.
        alias.apply_removal_policy(RemovalPolicy.DESTROY)
        self.alias = alias

    def _use(self, key_spec: kms.KeySpec) -> None:
        """Set what the grants allow. Raises `ValueError` for a spec of another purpose."""
        raise NotImplementedError

    @classmethod
    def _from_keys(
        cls,
        scope: Construct,
        construct_id: str,
        keys: Sequence[kms.IKey],
        alias_name: str,
        key_spec: kms.KeySpec,
    ) -> Self:
        if not keys:
            raise ValueError("keys is empty: give the key in use, then those that still verify")
        check_keys(keys)
        imported = cls.__new__(cls)
        Construct.__init__(imported, scope, construct_id)
        imported._use(key_spec)  # noqa: SLF001 - of this class
        imported.key, imported.keys = keys[0], list(keys)
        imported._given_alias = _full_alias(alias_name)  # noqa: SLF001 - of this class
        imported.alias = kms.Alias.from_alias_name(imported, "Alias", _full_alias(alias_name))
        return imported

    @property
    def key_arns(self) -> list[str]:
        """The ARNs of all versions, the one in use first."""
        return [key.key_arn for key in self.keys]

    def metric_successful_request(
        self, operation: str, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Count the successes of this operation ("Sign") with the key in use.

        AWS/KMS publishes it by key ARN and operation:
        https://docs.aws.amazon.com/kms/latest/developerguide/monitoring-cloudwatch.html
        """
        dimensions = {"KeyArn": self.key.key_arn, "Operation": operation}
        return metric_of("AWS/KMS", "SuccessfulRequest", dimensions, of=self.key, **options)

    def _grant(
        self,
        grantee: iam.IGrantable,
        actions: Sequence[str],
        conditions: dict[str, dict[str, object]] | None = None,
    ) -> iam.Grant:
        return allow_keys(self, grantee, self.keys, actions, conditions or {})


def _full_alias(name: str) -> str:
    """Return an alias name as KMS has it, given with or without "alias/"."""
    whole = name if name.startswith(_ALIAS) else f"{_ALIAS}{name}"
    if whole == _ALIAS:
        raise ValueError("alias_name is empty: give a name, alias/...")
    return whole


class SigningKey(_RotatingKey):
    """An asymmetric KMS key that signs: ECC_NIST_P256 (ES256) by default, retained on deletion.

    `versions` names the keys that exist, `current` (default: the last) the one the alias names
    and that signs. Rotate in two deployments, so that no verifier meets a key it has not heard
    of: first add the version with `current` on the old one, and when the key set's caches have
    seen it, make it current. Keep the old version for as long as its signatures are to verify.

    `key_spec` decides the algorithm: ECC_NIST_EDWARDS25519 is Ed25519, ML_DSA_44, ML_DSA_65 and
    ML_DSA_87 withstand quantum computers. Raises ValueError for one that signs no JWS.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key_spec: kms.KeySpec = kms.KeySpec.ECC_NIST_P256,
        versions: Sequence[str] = ("1",),
        current: str | None = None,
        alias_name: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            purpose="Interlock signing key",
            key_spec=key_spec,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            versions=versions,
            current=current,
            alias_name=alias_name,
            removal_policy=removal_policy,
        )

    @classmethod
    def from_keys(
        cls,
        scope: Construct,
        construct_id: str,
        *keys: kms.IKey,
        alias_name: str,
        key_spec: kms.KeySpec = kms.KeySpec.ECC_NIST_P256,
    ) -> Self:
        """Use keys that exist: the one in use, which `alias_name` names, then others.

        `key_spec` is that of all of them. Grants are made to the grantee alone: the keys' policies
        must leave that to IAM, as CDK's do. A grant on a key of another account is half of one: a
        warning spells out what that key's policy must have. Raises `ValueError` without a key, and
        for an alias.
        """
        return cls._from_keys(scope, construct_id, keys, alias_name, key_spec)

    def _use(self, key_spec: kms.KeySpec) -> None:
        if key_spec not in _SIGNING_ALGORITHMS:
            raise ValueError(f"{key_spec.name} signs no JWS; use KeySpec.ECC_NIST_P256")
        self._algorithms = _SIGNING_ALGORITHMS[key_spec]

    def grant_sign(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow what `Signer` does: sign with any version, and read the public keys.

        Digests only, but for Ed25519, of which KMS takes the message.

        All versions, because a signer follows the alias a few minutes after it was moved.
        """
        sign = self._grant(
            grantee,
            ["kms:Sign"],
            {
                "StringEquals": {
                    "kms:MessageType": _MESSAGE_TYPES.get(self._algorithms[0], "DIGEST"),
                    "kms:SigningAlgorithm": self._algorithms,
                }
            },
        )
        return sign.combine(self.grant_read_public_keys(grantee))

    def grant_verify(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to verify within KMS, and to read the public keys to verify without it."""
        return self._grant(grantee, ["kms:GetPublicKey", "kms:Verify"])

    def grant_read_public_keys(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow what `jwks` does: read the public keys. They are no secret."""
        return self._grant(grantee, ["kms:GetPublicKey"])

    def metric_signing_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count how often the runtime could not sign with the key in use.

        The runtime reports it where a client is given `metrics`, under the key's ARN. A signer that
        is given an alias does not know that before KMS has answered once, and reports what fails
        until then under the alias: give it `key_arns[0]`, and the alarm sees that, too.
        """
        return self._errors_of(self.key.key_arn, options)

    def metric_signing_errors_by_alias(
        self, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric | None:
        """Count how often the alias could not be looked up, by a `Signer` that was given it.

        Until KMS has said which key an alias means, errors are counted under the alias. None if
        `alias_name` was left out: nothing signs by a name that it was not told.
        """
        return self._errors_of(self._given_alias, options) if self._given_alias else None

    def _errors_of(self, key_id: str, options: MetricOptions) -> cloudwatch.Metric:
        name = Metric.SIGNING_ERRORS.value
        return metric_of(NAMESPACE, name, {"KeyId": key_id}, **options)

    def metric_signatures(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count the signatures that the key in use made."""
        return self.metric_successful_request("Sign", **options)


class MacKey(_RotatingKey):
    """An HMAC KMS key: HMAC_256 by default, retained on deletion, rotated as `SigningKey` is.

    `interlock.signing.Mac` takes `key_arns`: the key in use, then those that still verify.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key_spec: kms.KeySpec = kms.KeySpec.HMAC_256,
        versions: Sequence[str] = ("1",),
        current: str | None = None,
        alias_name: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            purpose="Interlock MAC key",
            key_spec=key_spec,
            key_usage=kms.KeyUsage.GENERATE_VERIFY_MAC,
            versions=versions,
            current=current,
            alias_name=alias_name,
            removal_policy=removal_policy,
        )

    @classmethod
    def from_keys(
        cls,
        scope: Construct,
        construct_id: str,
        *keys: kms.IKey,
        alias_name: str,
        key_spec: kms.KeySpec = kms.KeySpec.HMAC_256,
    ) -> Self:
        """Use keys that exist, as `SigningKey.from_keys` does."""
        return cls._from_keys(scope, construct_id, keys, alias_name, key_spec)

    def _use(self, key_spec: kms.KeySpec) -> None:
        if key_spec not in _MAC_ALGORITHMS:
            raise ValueError(f"{key_spec.name} makes no MAC here; use KeySpec.HMAC_256")
        self._only: dict[str, dict[str, object]] = {
            "StringEquals": {"kms:MacAlgorithm": _MAC_ALGORITHMS[key_spec]}
        }

    def grant_generate(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to make MACs with any version."""
        return self._grant(grantee, ["kms:GenerateMac"], self._only)

    def grant_verify(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to verify MACs of any version, but not to make one."""
        return self._grant(grantee, ["kms:VerifyMac"], self._only)

    def metric_macs(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count the MACs that the key in use made."""
        return self.metric_successful_request("GenerateMac", **options)


class CodeSigning(Construct):
    """Has Lambda refuse code that this account's pipeline did not sign.

    An AWS Signer profile for Lambda and a code signing configuration that trusts it alone. Pass
    `config` as a function's `code_signing_config`. Assets must then be signed before CloudFormation
    sees them: docs/signing.md shows how the pipeline does it.

    `signature_validity` is 135 months by default, the longest. `enforce=False` warns in the logs
    instead of refusing, for the first deployment of an existing application.
    """

    profile: signer.SigningProfile
    config: lambda_.CodeSigningConfig

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        signature_validity: Duration | None = None,
        enforce: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        self.profile = signer.SigningProfile(
            self,
            "Profile",
            platform=signer.Platform.AWS_LAMBDA_SHA384_ECDSA,
            signature_validity=signature_validity,
        )
        self.config = lambda_.CodeSigningConfig(
            self,
            "Config",
            signing_profiles=[self.profile],
            untrusted_artifact_on_deployment=(
                lambda_.UntrustedArtifactOnDeployment.ENFORCE
                if enforce
                else lambda_.UntrustedArtifactOnDeployment.WARN
            ),
        )
